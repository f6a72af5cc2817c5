package web

import (
	"github.com/carrel-lms/carrel/insight"
)

// A chart is bars drawn by the server, as SVG attributes: the policy forbids styles in pages. It is stretched to the width that there is, so its words
// stand beside it, as text.

// chart is bars by day: a wide one, and a narrow one in front of it for another number. So the two can be told apart without colors.
type chart struct {
	Name         string // of its texts: page.insight.chart_<name>
	Title, Desc  string
	Wide, Narrow string // what the bars are
	Width        int    // in units of the drawing; its height is chartHeight
	Bars         []dayBar
	Most, Half   string // at the axis
	First, Last  string // dates
}

// dayBar is a day.
type dayBar struct {
	X, Y, H    int // of the wide one
	NX, NY, NH int // of the narrow one
	Tip        string
}

const (
	chartHeight = 100
	// barStep is from one day to the next, barWide and barNarrow how wide the bars are.
	barStep   = 12
	barWide   = 10
	barNarrow = 4
)

// chart draws two numbers of each day.
func (v *visit) chart(name string, days []insight.Day, of func(insight.Day) (wide, narrow int)) chart {
	text := func(id string, data map[string]any) string { return v.text.Text("page.insight.chart_"+name+id, data) }
	count := func(n int) string { return v.text.Number(float64(n), 0) }
	c := chart{Name: name, Title: text("", nil), Wide: text("_wide", nil), Narrow: text("_narrow", nil), Width: max(len(days), 1) * barStep}
	most, sum, other, best := 0, 0, 0, ""
	for _, d := range days {
		wide, narrow := of(d)
		sum, other = sum+wide, other+narrow
		if wide > most || best == "" {
			best = d.Date
		}
		most = max(most, wide, narrow)
	}
	top := roundUp(most)
	for i, d := range days {
		wide, narrow := of(d)
		h, nh := barHeight(wide, top), barHeight(narrow, top)
		x := i*barStep + (barStep-barWide)/2
		c.Bars = append(c.Bars, dayBar{
			X: x, Y: chartHeight - h, H: h, NX: x + (barWide-barNarrow)/2, NY: chartHeight - nh, NH: nh,
			Tip: v.day(d.Date) + v.text.Text("facet.colon", nil) + text("_tip", map[string]any{"Wide": count(wide), "Narrow": count(narrow)}),
		})
	}
	c.Most, c.Half = count(top), v.text.Number(float64(top)/2, 0)
	if len(days) > 0 {
		c.First, c.Last = v.day(days[0].Date), v.day(days[len(days)-1].Date)
	}
	c.Desc = text("_desc", map[string]any{"From": c.First, "To": c.Last, "Wide": count(sum), "Narrow": count(other), "Most": count(most), "Day": v.day(best)})
	return c
}

// barHeight is a number's share of the chart. Whatever happened at all is seen.
func barHeight(n, top int) int {
	if n == 0 {
		return 0
	}
	return max(n*chartHeight/top, 1)
}

// roundUp is the next number that is good for the end of an axis: 2, 4, 10, 20, 40, 100 …, whose half is a whole number too.
func roundUp(n int) int {
	const ten = 10
	for step := 1; ; step *= ten {
		for _, m := range []int{2, 4, 10} {
			if n <= m*step {
				return m * step
			}
		}
	}
}
