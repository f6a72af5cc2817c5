package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/carrel-lms/carrel/fault"
)

func phone(token string) Device {
	return Device{Token: token, Platform: PlatformAndroid, Locale: French, Timezone: "Europe/Paris", AppVersion: "2.1"}
}

// register registers a learner's device, as the learner.
func register(tb testing.TB, c *Catalog, who Actor, id DeviceID, d Device) {
	tb.Helper()
	must(tb, c, who, func(tx *Tx) error { return second(tx.PutDevice(who.Subject, id, d, Cond{})) })
}

// tokensHeld is every device with its token, by key.
func tokensHeld(tb testing.TB, c *Catalog) map[string]string {
	tb.Helper()
	return look(tb, c, func(v *View) (map[string]string, error) {
		held := map[string]string{}
		for ch := range entities(v, KindDevice, "", "") {
			s, err := decode[Device](ch)
			if err != nil {
				return nil, err
			}
			held[ch.Key] = s.Value.Token
		}
		return held, nil
	})
}

func TestDevices(t *testing.T) {
	t.Parallel()
	c, clock := clockCatalog(t)
	device := func() Device {
		return look(t, c, func(v *View) (Device, error) {
			s, _, err := v.MyDevice("lea", "p")
			return s.Value, err
		})
	}
	updated := phone("one")
	updated.AppVersion = "2.2"
	for _, step := range []struct {
		name    string
		after   time.Duration
		given   Device
		changes bool
	}{
		{"the first", 0, phone("one"), true},
		{"the same, soon", time.Hour, phone("one"), false},
		{"another version", time.Hour, updated, true},
		{"the same, soon after that", seenEvery - time.Second, updated, false},
		{"a day later", time.Second, updated, true},
		{"another token", time.Minute, phone("two"), true},
		{"what a device says of itself does not count", time.Hour, Device{Token: "two", Platform: PlatformAndroid, Locale: "FR", Timezone: "Europe/Paris", AppVersion: " 2.1", SeenAt: noon}, false},
	} {
		clock.add(step.after)
		was := head(t, c)
		register(t, c, learner, "p", step.given)
		if changed := head(t, c) != was; changed != step.changes {
			t.Errorf("%s: changed is %v", step.name, changed)
		}
		if got := device(); step.changes && !got.SeenAt.Equal(clock.now()) {
			t.Errorf("%s: seen at %v", step.name, got.SeenAt)
		}
	}
	german := Device{Token: "three", Platform: PlatformWeb, Locale: "de_DE"}
	register(t, c, learner, "p", german)
	if got := device(); got.Locale != "de-DE" || got.Timezone != "" {
		t.Errorf("got %+v", got)
	}
	list, err := c.MyDevices(t.Context(), "lea", Page{Limit: 9})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != "p" {
		t.Errorf("listed %+v, %v", list, err)
	}
	del := func(tx *Tx) error { return tx.DeleteDevice("lea", "p", Cond{}) }
	wantCode(t, do(t, c, acmeLearner, del), fault.Forbidden)
	must(t, c, learner, del)
	wantCode(t, do(t, c, learner, del), fault.NotFound)
	wantCode(t, do(t, c, learner, func(tx *Tx) error { return second(tx.PutDevice("lea", "p", german, Cond{MustExist: true})) }), fault.LostUpdate)
}

func TestDevicesRefused(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	with := func(change func(d *Device)) Device {
		d := phone("one")
		change(&d)
		return d
	}
	for _, tc := range []struct {
		name    string
		id      DeviceID
		d       Device
		pointer string
		code    fault.Code
	}{
		{"a bad id", "a b", phone("one"), "/id", fault.BadID},
		{"no token", "p", phone(""), "/token", fault.Required},
		{"a long token", "p", phone(strings.Repeat("t", maxDeviceToken+1)), "/token", fault.TooLong},
		{"a token with a space", "p", phone("secret token"), "/token", fault.BadToken},
		{"a token with a letter of a language", "p", phone("secrét"), "/token", fault.BadToken},
		{"another platform", "p", with(func(d *Device) { d.Platform = "fax" }), "/platform", fault.BadValue},
		{"no language", "p", with(func(d *Device) { d.Locale = "?" }), "/locale", fault.BadLocale},
		{"no time zone", "p", with(func(d *Device) { d.Timezone = "Mars/Olympus" }), "/timezone", fault.BadTimezone},
		{"a long version", "p", with(func(d *Device) { d.AppVersion = strings.Repeat("1", maxAppVersion+1) }), "/app_version", fault.TooLong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := do(t, c, learner, func(tx *Tx) error { return second(tx.PutDevice("lea", tc.id, tc.d, Cond{})) })
			wantField(t, err, tc.pointer, tc.code)
			if strings.Contains(err.Error(), "secr") || len(err.Error()) > 500 {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
	for actor, want := range map[string]fault.Code{"anon": fault.Unauthorized, "acmeLearner": fault.Forbidden, "acmeAdmin": fault.Forbidden, "admin": ""} {
		wantCode(t, do(t, c, cast[actor], func(tx *Tx) error { return second(tx.PutDevice("lea", "p", phone("one"), Cond{})) }), want)
	}
}

// The device unseen for longest gives way to the newest.
func TestDevicesAreBounded(t *testing.T) {
	t.Parallel()
	c, clock := clockCatalog(t)
	for i := range MaxOwnDevices {
		clock.add(time.Hour)
		register(t, c, learner, DeviceID(fmt.Sprintf("d%02d", i)), phone(fmt.Sprint("t", i)))
	}
	clock.add(2 * seenEvery)
	register(t, c, learner, "d00", phone("t0"))
	register(t, c, learner, "new", phone("tn"))
	held := tokensHeld(t, c)
	if _, oldest := held["lea/d01"]; oldest || len(held) != MaxOwnDevices || held["lea/d00"] != "t0" || held["lea/new"] != "tn" {
		t.Errorf("%d are held: %v", len(held), held)
	}
	register(t, c, learner, "d01", phone("tn")) // takes the place of the one that had its token
	if held := tokensHeld(t, c); len(held) != MaxOwnDevices || held["lea/d01"] != "tn" {
		t.Errorf("%d are held: %v", len(held), held)
	}
	if err := tokensFit(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// However many sign in on one phone at the same moment, one of them has it.
func TestOneHasTheToken(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	const people = 6
	errs := make([]error, people)
	for round := range 5 {
		var wg stdsync.WaitGroup
		for i := range people {
			wg.Go(func() {
				who := Actor{Subject: LearnerID(fmt.Sprint("idp|x/", i))}
				_, errs[i] = c.Update(t.Context(), who, func(tx *Tx) error { return second(tx.PutDevice(who.Subject, "phone", phone("shared"), Cond{})) })
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if held := tokensHeld(t, c); len(held) != 1 {
			t.Fatalf("round %d: held by %v", round, slices.Sorted(maps.Keys(held)))
		}
		if err := tokensFit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// One who is slower finds whoever registered the token between the look and the write.
func TestTheSlowerTakesTheToken(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	tries := 0
	must(t, c, learner, func(tx *Tx) error {
		if tries++; tries == 1 {
			defer register(t, c, acmeLearner, "phone", phone("shared"))
		}
		return second(tx.PutDevice("lea", "phone", phone("shared"), Cond{}))
	})
	if diff := cmp.Diff(map[string]string{"lea/phone": "shared"}, tokensHeld(t, c)); diff != "" || tries != 2 {
		t.Errorf("after %d tries: %s", tries, diff)
	}
}

func TestErasureForgetsTokens(t *testing.T) {
	t.Parallel()
	c, clock := clockCatalog(t)
	lea := Actor{Subject: "lea", IssuedAt: clock.now().Unix()}
	register(t, c, lea, "p", phone("one"))
	register(t, c, lea, "q", phone("two"))
	register(t, c, acmeLearner, "p", phone("three"))
	erase(t, c, lea)
	if diff := cmp.Diff(map[string]string{"leo/p": "three"}, tokensHeld(t, c)); diff != "" {
		t.Error(diff)
	}
	if err := tokensFit(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestExportLeavesTokensOut(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	register(t, c, learner, "p", phone("hush-hush"))
	export, err := c.Export(t.Context(), "lea")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(export)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := export[KindDevice][0].Body.(map[string]any)
	if strings.Contains(string(text), "hush") || body["app_version"] != "2.1" || body["seen_at"] == nil {
		t.Errorf("exported %s", text)
	}
}

// tokensFit holds the table and the guards of tokens against the devices: each token is held once, and nothing is left of the others.
func tokensFit(ctx context.Context, c *Catalog) error {
	return c.View(ctx, func(v *View) error {
		rows, hashes := []string{}, []string{}
		for ch := range entities(v, KindDevice, "", "") {
			s, err := decode[Device](ch)
			if err != nil {
				return err
			}
			hash := tokenHash(s.Value.Token)
			rows, hashes = append(rows, joinKey(hash, ch.Key)), append(hashes, guardToken+hash)
		}
		table, guards := []string{}, []string{}
		for key := range v.tables().scan(tableTokens, "", "") {
			table = append(table, string(key))
		}
		for ch := range entities(v, KindSetting, guardToken, "") {
			guards = append(guards, ch.Key)
		}
		slices.Sort(rows)
		slices.Sort(hashes)
		if d := cmp.Diff([][]string{rows, hashes}, [][]string{table, guards}); d != "" {
			return fmt.Errorf("devices (-) against table and guards (+): %s", d)
		}
		return nil
	})
}

// Whatever learners do with few devices and fewer tokens, who registered a token last has it, and tables built again are the same.
func TestTokensFollowTheDevices(t *testing.T) {
	fewer(t, "25")
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		at, err := os.MkdirTemp(dir, "") //nolint:usetesting // a folder for each of the histories, not for the test
		if err != nil {
			rt.Fatal(err)
		}
		clock := &testClock{}
		c, err := Open(Config{Path: filepath.Join(at, "log.db"), Now: clock.now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		want := map[string]string{}
		for range rapid.IntRange(1, 12).Draw(rt, "commands") {
			clock.add(time.Second)
			who := Actor{Subject: rapid.SampledFrom(modelLearners).Draw(rt, "learner"), IssuedAt: clock.now().Unix()}
			_, err := c.Update(t.Context(), who, func(tx *Tx) error { return deviceStep(rt, tx, want) })
			if err != nil && !fault.Is(err, fault.NotFound) {
				rt.Fatal(err)
			}
			if d := cmp.Diff(want, tokensHeld(t, c)); d != "" {
				rt.Fatal(d)
			}
			if err := tokensFit(t.Context(), c); err != nil {
				rt.Fatal(err)
			}
		}
		again, err := rebuiltRows(t.Context(), c, filepath.Join(at, "again.db"))
		if err != nil {
			rt.Fatal(err)
		}
		live := look(t, c, func(v *View) (map[string]string, error) { return allRows(v.bv.Tx()), nil })
		if d := cmp.Diff(again, live, cmpopts.EquateEmpty()); d != "" {
			rt.Fatalf("tables built again differ (-again +live): %s", d)
		}
	})
}

// deviceStep does something with the actor's devices, and the same to the model. Nobody competes, so it runs once.
func deviceStep(rt *rapid.T, tx *Tx, want map[string]string) error {
	who := tx.Actor().Subject
	switch rapid.SampledFrom([]string{"put", "put", "two", "delete", "erase"}).Draw(rt, "step") {
	case "erase":
		maps.DeleteFunc(want, func(key, _ string) bool { return strings.HasPrefix(key, learnerPrefix(who)) })
		return tx.Erase(who)
	case "delete":
		id := rapid.SampledFrom([]DeviceID{"p", "q"}).Draw(rt, "device")
		delete(want, learnerPrefix(who)+string(id))
		return tx.DeleteDevice(who, id, Cond{})
	case "two":
		if err := registerStep(rt, tx, want); err != nil {
			return err
		}
	}
	return registerStep(rt, tx, want)
}

func registerStep(rt *rapid.T, tx *Tx, want map[string]string) error {
	who := tx.Actor().Subject
	id := rapid.SampledFrom([]DeviceID{"p", "q"}).Draw(rt, "device")
	token := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(rt, "token")
	maps.DeleteFunc(want, func(_, held string) bool { return held == token })
	want[learnerPrefix(who)+string(id)] = token
	return second(tx.PutDevice(who, id, phone(token), Cond{}))
}
