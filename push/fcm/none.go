//go:build nofirebase

// Package fcm sends messages through Firebase Cloud Messaging. This program was built without it.
package fcm

import (
	"context"
	"errors"

	"github.com/carrel-lms/carrel/push"
)

// Available says that this program was built without Firebase.
const Available = false

// New says that there is no Firebase in this program.
func New(context.Context, string, string) (push.Sender, error) {
	return nil, errors.New("this program was built with the tag nofirebase and cannot send messages through FCM; unset CARREL_FCM_PROJECT")
}
