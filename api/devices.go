package api

import (
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

type deviceBody struct {
	Token      string           `json:"token"`
	Platform   catalog.Platform `json:"platform"`
	Locale     catalog.Locale   `json:"locale,omitempty"`
	Timezone   string           `json:"timezone,omitempty"`
	AppVersion string           `json:"app_version,omitempty"`
	ID         readOnly         `json:"id"`
	SeenAt     readOnly         `json:"seen_at"`
	Version    readOnly         `json:"version"`
	UpdatedAt  readOnly         `json:"updated_at"`
}

// deviceView is a device without its token, which we keep to ourselves.
type deviceView struct {
	ID         catalog.DeviceID `json:"id"`
	Platform   catalog.Platform `json:"platform"`
	Locale     *string          `json:"locale"`
	Timezone   *string          `json:"timezone"`
	AppVersion *string          `json:"app_version"`
	SeenAt     time.Time        `json:"seen_at"`
	versioned
}

func showDevice(id catalog.DeviceID, s catalog.Stored[catalog.Device]) deviceView {
	d := s.Value
	return deviceView{
		ID: id, Platform: d.Platform, Locale: orNil(string(d.Locale)), Timezone: orNil(d.Timezone), AppVersion: orNil(d.AppVersion), SeenAt: d.SeenAt,
		versioned: versionOf(s),
	}
}

func (a *API) myDevices(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MyDevice], error) {
		return a.cfg.Catalog.MyDevices(r.Context(), me(r), p)
	}, func(m catalog.MyDevice) deviceView { return showDevice(m.ID, m.Stored) })
}

// putMyDevice registers a device: apps do so at every start.
func (a *API) putMyDevice(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[deviceBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	id := catalog.DeviceID(r.PathValue("id"))
	device := catalog.Device{Token: body.Token, Platform: body.Platform, Locale: body.Locale, Timezone: body.Timezone, AppVersion: body.AppVersion}
	return putMine(a, w, r, myEntity[catalog.Device]{
		read: own(r, id, (*catalog.View).MyDevice),
		put: func(tx *catalog.Tx, cond catalog.Cond) error {
			_, err := tx.PutDevice(me(r), id, device, cond)
			return err
		},
		show: func(s catalog.Stored[catalog.Device]) any { return showDevice(id, s) },
	})
}

func (a *API) deleteMyDevice(w http.ResponseWriter, r *http.Request) error {
	id := catalog.DeviceID(r.PathValue("id"))
	return deleteMine(a, w, r, own(r, id, (*catalog.View).MyDevice), func(tx *catalog.Tx, cond catalog.Cond) error {
		return tx.DeleteDevice(me(r), id, cond)
	})
}
