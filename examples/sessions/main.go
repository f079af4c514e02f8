// Sessions keeps the sessions of users, which expire.
package main

import (
	"fmt"
	"time"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Session is what is known of a user who has logged in.
type Session struct {
	User    string
	Expires time.Time
}

// Sessions are valid for a time after they were used last.
type Sessions struct {
	store *gomap.MemStore[Session]
	valid time.Duration
	now   func() time.Time
}

// New returns a store without sessions.
func New(valid time.Duration, now func() time.Time) *Sessions {
	return &Sessions{store: gomap.NewMemStore(store.StoreOptions[Session]{}), valid: valid, now: now}
}

// Use returns a session and renews it. In one step it finds out whether the session has
// expired, and writes: no sweep comes between.
func (s *Sessions) Use(id string) (session Session, ok bool, err error) {
	return s.store.Compute("sessions", id, func(session Session, exists bool) (Session, store.Op, error) {
		if !exists || s.now().After(session.Expires) {
			return session, store.OpDelete, nil
		}
		session.Expires = s.now().Add(s.valid)
		return session, store.OpSet, nil
	})
}

// Begin begins a session.
func (s *Sessions) Begin(id, user string) error {
	_, err := s.store.Set("sessions", id, Session{User: user, Expires: s.now().Add(s.valid)})
	return err
}

// Sweep deletes what has expired. A program calls it now and then. It does not delete a
// session that is renewed while it looks.
func (s *Sessions) Sweep() (deleted int, err error) {
	all, err := s.store.All("sessions")
	if err != nil {
		return 0, err
	}
	expired := func(session Session) bool { return s.now().After(session.Expires) }
	for id, session := range all {
		if !expired(session) {
			continue
		}
		was, _, err := s.store.DeleteIf("sessions", id, expired)
		if err != nil {
			return deleted, err
		}
		if was {
			deleted++
		}
	}
	return deleted, nil
}

func main() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	sessions := New(30*time.Minute, func() time.Time { return now })
	defer sessions.store.Close()
	must(sessions.Begin("id-1", "alice"))
	must(sessions.Begin("id-2", "bob"))

	now = now.Add(20 * time.Minute)
	session, ok, err := sessions.Use("id-1")
	must(err)
	fmt.Println("alice, after 20 minutes:", ok, "until", session.Expires.Format(time.TimeOnly))

	now = now.Add(20 * time.Minute)
	deleted, err := sessions.Sweep()
	must(err)
	fmt.Println("swept after 40 minutes:", deleted)
	for _, id := range []string{"id-1", "id-2"} {
		session, ok, err := sessions.Use(id)
		must(err)
		fmt.Println(id, ok, session.User)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
