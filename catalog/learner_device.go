package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// MaxOwnDevices is how many devices a learner has; the one unseen for longest gives way. A person has three, and a browser that forgot makes a new one.
	MaxOwnDevices = 20
	// maxDeviceToken bounds a token, in bytes: those of FCM have less than 300, and other services promise 4 kB.
	maxDeviceToken = 4_096
	// maxAppVersion bounds the name of a version, in characters: "2.14.1+20260301" has 15.
	maxAppVersion = 64
	// seenEvery is how exactly it is known when a device was last seen: apps register at every start, and that must not be a write each time.
	seenEvery = 24 * time.Hour
)

// DeviceID names one of a learner's devices.
type DeviceID string

// Platform is what kind of device a token is for.
type Platform string

// The platforms.
const (
	PlatformAndroid Platform = "android"
	PlatformIOS     Platform = "ios"
	PlatformWeb     Platform = "web"
)

// Device is where a learner's notifications are pushed to. Whoever holds its token can reach the device: it is never sent by sync, shown, exported
// or logged.
type Device struct {
	Token      string    `json:"token"` // of the push service
	Platform   Platform  `json:"platform"`
	Locale     Locale    `json:"locale,omitempty"`   // what the device speaks, any language; "" is unknown
	Timezone   string    `json:"timezone,omitempty"` // a name of the IANA database
	AppVersion string    `json:"app_version,omitempty"`
	SeenAt     time.Time `json:"seen_at"` // when it last registered, to about a day
}

// fieldToken is the field of a device's body that leaves the log for pushing only.
const fieldToken = "token"

// MyDevice is one of a learner's devices.
type MyDevice struct {
	ID DeviceID
	Stored[Device]
}

// MyDevices lists a learner's devices by id.
func (c *Catalog) MyDevices(ctx context.Context, who LearnerID, p Page) (List[MyDevice], error) {
	return listMine(ctx, c, KindDevice, who, p, func(key string, s Stored[Device]) MyDevice { return MyDevice{DeviceID(key), s} })
}

// MyDevice returns one of a learner's devices, and whether there is one.
func (v *View) MyDevice(who LearnerID, id DeviceID) (Stored[Device], bool, error) {
	return load[Device](v, KindDevice, learnerPrefix(who)+string(nfc(id)))
}

// PutDevice registers a device or changes it. The learner or an administrator may. SeenAt is not asked for: it becomes now when anything else changed or
// it is a day old. Every other device with the same token is deleted in the same write, whosever it is: phones are shared and handed on, and who
// signed in last is whom the phone is for. Beyond [MaxOwnDevices] the one unseen for longest is deleted.
func (tx *Tx) PutDevice(who LearnerID, id DeviceID, d Device, cond Cond) (bool, error) {
	const op = "catalog.PutDevice"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	var p problems
	p.id("/id", string(id))
	d = p.device(d)
	if err := p.err(op); err != nil {
		return false, err
	}
	key := learnerPrefix(who) + string(id)
	old, exists, err := load[Device](&tx.View, KindDevice, key)
	if err != nil {
		return false, err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	if d.SeenAt = old.Value.SeenAt; d != old.Value || tx.overlay.now.Sub(d.SeenAt) >= seenEvery {
		d.SeenAt = tx.overlay.now
	}
	if d.Token != old.Value.Token {
		if err := tx.takeToken(d.Token, key); err != nil {
			return false, err
		}
		if err := tx.dropToken(old.Value.Token); err != nil {
			return false, err
		}
	}
	if !exists {
		if err := tx.openAccount(op, who, 0); err != nil { // of two that are registered at once, the second makes room again
			return false, err
		}
		if err := tx.makeRoomForDevice(who); err != nil {
			return false, err
		}
	}
	return tx.put(KindDevice, key, learnerChannel(who), d, putOpts{})
}

// device checks a device, and returns it as it is stored. What is wrong with a token is said without it.
func (p *problems) device(d Device) Device {
	switch printable := !strings.ContainsFunc(d.Token, func(r rune) bool { return r <= ' ' || r > '~' }); {
	case d.Token == "":
		p.required("/token", "")
	case len(d.Token) > maxDeviceToken:
		p.tooLong("/token", maxDeviceToken)
	case !printable:
		p.add("/token", fault.BadToken, "has a space or another character that is not printable ASCII")
	}
	switch d.Platform {
	case PlatformAndroid, PlatformIOS, PlatformWeb:
	default:
		p.add("/platform", fault.BadValue, "is not android, ios or web", "allowed", "android, ios, web")
	}
	if d.Locale != "" {
		d.Locale = p.locale("/locale", d.Locale)
	}
	if d.Timezone != "" && !validTimezone(d.Timezone) {
		p.timezone("/timezone")
	}
	d.AppVersion = p.line("/app_version", d.AppVersion, maxAppVersion)
	return d
}

// guardToken begins the key of a token's guard: + hash. Who registers the token reads and writes it, so that of two who register it at once the
// second runs again and finds the first.
const guardToken = "token/"

// tokenHash stands for a token where the token itself has no business: it cannot be turned back, tokens being long and random.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// takeToken deletes every device that has a token, except the one with a key, which is going to have it.
func (tx *Tx) takeToken(token, key string) error {
	hash := tokenHash(token)
	guarded := guardToken + hash
	tx.exists(KindSetting, guarded)
	if _, err := tx.put(KindSetting, guarded, channelStaff, guard{}, putOpts{blind: true}); err != nil {
		return err
	}
	holders, err := namedBy(&tx.View, tableTokens, hash, KindDevice, tokenRows)
	if err != nil {
		return err
	}
	for _, holder := range holders {
		if holder == key {
			continue
		}
		learner, _ := splitLearner(holder)
		if err := tx.del(KindDevice, holder, learnerChannel(learnerOf(learner)), Cond{}); err != nil {
			return err
		}
	}
	return nil
}

// dropToken drops the guard of a token that no device has any more.
func (tx *Tx) dropToken(token string) error {
	if token == "" {
		return nil
	}
	return tx.del(KindSetting, guardToken+tokenHash(token), channelStaff, Cond{})
}

// makeRoomForDevice deletes the learner's devices that are unseen for longest, until one more may come.
func (tx *Tx) makeRoomForDevice(who LearnerID) error {
	seen, err := tx.devices(who)
	if err != nil || len(seen) < MaxOwnDevices {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		if d := seen[a].SeenAt.Compare(seen[b].SeenAt); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, key := range keys[:len(keys)-MaxOwnDevices+1] {
		if err := tx.dropToken(seen[key].Token); err != nil {
			return err
		}
		if err := tx.del(KindDevice, key, learnerChannel(who), Cond{}); err != nil {
			return err
		}
	}
	return nil
}

// devices returns a learner's devices by key.
func (v *View) devices(who LearnerID) (map[string]Device, error) {
	all := map[string]Device{}
	for ch := range entities(v, KindDevice, learnerPrefix(who), "") {
		s, err := decode[Device](ch)
		if err != nil {
			return nil, err
		}
		all[ch.Key] = s.Value
	}
	return all, nil
}

// dropTokens drops the guards of a learner who is being erased; the devices go with the channel.
func (tx *Tx) dropTokens(who LearnerID) error {
	devices, err := tx.devices(who)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		if err := tx.dropToken(devices[key].Token); err != nil {
			return err
		}
	}
	return nil
}

// DeleteDevice removes a device: nothing is pushed to it any more. fault.NotFound when there is none.
func (tx *Tx) DeleteDevice(who LearnerID, id DeviceID, cond Cond) error {
	const op = "catalog.DeleteDevice"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	old, _, err := tx.MyDevice(who, id)
	if err != nil {
		return err
	}
	if err := tx.deleteMine(op, KindDevice, who, string(nfc(id)), cond); err != nil {
		return err
	}
	return tx.dropToken(old.Value.Token)
}

// tokenRows is what the table of tokens holds of a device.
func tokenRows(d *Device, key string) map[row]bool {
	if d == nil {
		return nil
	}
	return map[row]bool{{tableTokens, joinKey(tokenHash(d.Token), key)}: true}
}

// zeroDevice keeps which device has which token. A device that is erased comes as one that is deleted.
func zeroDevice(t *tables, a coursesync.Applied) error {
	before, now, err := beforeAndNow[Device](a)
	if err != nil {
		return err
	}
	return t.replace(tokenRows(before, a.Key), tokenRows(now, a.Key))
}
