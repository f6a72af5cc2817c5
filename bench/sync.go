package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

const (
	// syncConnections keep two cores busy.
	syncConnections = 32
	// syncTime is how long a rate is measured, syncRounds how often, in turns.
	syncTime   = 2 * time.Second
	syncRounds = 3

	goalPageShare    = .4
	goalNothingShare = .8
	goalTimesPeers   = 10
)

// sync measures what phones ask for: pages of the catalog, one after a publication, and to be told of the next.
func (b *bench) sync() error {
	section("Delta sync")
	data, err := b.syncFolder()
	if err != nil {
		return err
	}
	s, keys, err := b.syncServer(data)
	if err != nil {
		return err
	}
	whole, err := b.firstSync(s.url)
	if err != nil {
		return err
	}
	if err := b.byField(whole); err != nil {
		return err
	}
	if err := b.rates(s.url, whole); err != nil {
		return err
	}
	if err := b.onePublication(s.url, keys, whole.cursor); err != nil {
		return err
	}
	return s.stop()
}

// syncFolder copies the catalog: these sections publish.
func (b *bench) syncFolder() (string, error) {
	from, err := b.folder(b.courses)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.dir, "sync")
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	return to, os.CopyFS(to, os.DirFS(from))
}

// syncServer starts a server, and opens the keys that sign its tokens.
func (b *bench) syncServer(data string) (*server, *identity.Keyring, error) {
	keys, err := identity.OpenKeyring(filepath.Join(data, "secrets"), nil)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.serve(data)
	return s, keys, err
}

// bearer is the header of a caller.
func bearer(keys *identity.Keyring, who catalog.Actor) (string, error) {
	token, err := keys.Sign(identity.Grant{Actor: who, TTL: 24 * time.Hour})
	return "Authorization: Bearer " + token, err
}
