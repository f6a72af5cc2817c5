package push

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Test sends a message to one device at once, beside the outbox, and returns what the service said. A device that the service does not know is removed,
// as by any other message. Errors: fault.PushNotConfigured;
// fault.NoSuchDevice, which names those that there are.
func (p *Push) Test(ctx context.Context, who catalog.LearnerID, id catalog.DeviceID) (Outcome, error) {
	const op = "push.Test"
	if p.cfg.Sender == nil {
		return Outcome{}, fault.New(op, fault.PushNotConfigured).WithFix("set CARREL_FCM_PROJECT; docs/push.md says what else")
	}
	var wire Message
	err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		d, ok, err := v.MyDevice(who, id)
		if err != nil {
			return err
		}
		if !ok {
			return noSuchDevice(v, op, who, id)
		}
		prefers, err := v.MyPreferences(who)
		if err != nil {
			return err
		}
		text := p.cfg.Texts.Printer(languageOf(&d.Value, prefers))
		wire = Message{
			Token: d.Value.Token, Platform: d.Value.Platform, Title: text.Text("notification.test.title", nil), Body: text.Text("notification.test.body", nil),
			Channel: "test", Collapse: "test", TTL: time.Hour, Data: map[string]string{"type": "test"}, Link: p.link("/me/inbox"),
		}
		return nil
	})
	if err != nil {
		return Outcome{}, err
	}
	sending, cancel := context.WithTimeout(ctx, p.pace.sending)
	defer cancel()
	outcomes := p.cfg.Sender.Send(sending, []Message{wire})
	if len(outcomes) != 1 {
		return Outcome{}, errors.New("push: the sender did not say what became of the message")
	}
	if why := outcomes[0].Reason; why == ReasonUnregistered || why == ReasonMismatch {
		if err := p.db.Update(func(tx *bolt.Tx) error { return tokenGone(tx, deviceKey(who, id), wire.Token) }); err != nil {
			return outcomes[0], err
		}
		err = p.dropGone(ctx)
	}
	return outcomes[0], err
}

// noSuchDevice says which devices a learner has instead of the one that was asked for.
func noSuchDevice(v *catalog.View, op string, who catalog.LearnerID, id catalog.DeviceID) error {
	list, err := v.DevicesOf(who)
	if err != nil {
		return err
	}
	names := []string{}
	for _, d := range list {
		names = append(names, string(d.ID))
	}
	return fault.New(op, fault.NoSuchDevice, "learner", string(who), "device", string(id), "devices", cmp.Or(strings.Join(names, ", "), "–"))
}
