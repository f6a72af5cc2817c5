package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/carrel-lms/carrel/catalog"
)

// metrics are what the front measures. Labels are closed sets: nothing that a stranger sends becomes one.
type metrics struct {
	latency    *prometheus.HistogramVec
	rejections *prometheus.CounterVec
	inflight   prometheus.Gauge

	instantRequests, instantPasses prometheus.Counter
	syncMade, syncShared           prometheus.Counter
	syncSent, syncHeld             prometheus.Observer // latency of pages from memory: found by labels once, not for each answer
}

// buckets, in seconds: a search is .002, a page .01, a large import minutes.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func newMetrics(reg *prometheus.Registry, c *catalog.Catalog) *metrics {
	m := &metrics{
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carrel_http_request_duration_seconds", Help: "Time to answer, by route, method and class of status.", Buckets: buckets,
		}, []string{"route", "method", "status"}),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carrel_http_rejections_total", Help: "Requests answered with a problem, by its code.",
		}, []string{"code"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "carrel_http_requests_in_flight", Help: "Requests being answered now.",
		}),
		instantRequests: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "carrel_instantsearch_requests_total", Help: "Searches asked for by InstantSearch widgets.",
		}),
		instantPasses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "carrel_instantsearch_passes_total", Help: "Searches that were run to answer them.",
		}),
	}
	m.syncMade = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "carrel_sync_pages_made_total", Help: "Pages of the public channel that were read and encoded.",
	})
	m.syncShared = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "carrel_sync_pages_shared_total", Help: "Answers with such a page, from memory.",
	})
	m.syncSent = m.latency.WithLabelValues(syncPath, http.MethodGet, "2xx")
	m.syncHeld = m.latency.WithLabelValues(syncPath, http.MethodGet, "3xx")
	head := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "carrel_log_head", Help: "Seq of the changelog's last change.",
	}, func() float64 {
		seq, err := c.Log().Head(context.Background())
		if err != nil {
			return 0 // a closed log: the process is stopping
		}
		return float64(seq)
	})
	reg.MustRegister(m.latency, m.rejections, m.inflight, m.instantRequests, m.instantPasses, m.syncMade, m.syncShared, head)
	return m
}

const statusClass = 100

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	class := strconv.Itoa(status/statusClass) + "xx"
	m.latency.WithLabelValues(route, method, class).Observe(took.Seconds())
}

// methodLabel is the method as a label: strangers invent methods too.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
