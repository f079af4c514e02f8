package gomap_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

type User struct {
	Name  string
	Email string
}

func Example() {
	s := gomap.NewMemStore[User](store.StoreOptions[User]{})
	defer s.Close()

	// CRUD operations
	s.Set("users", "alice", User{Name: "Alice", Email: "alice@example.com"})
	user, ok, _ := s.Get("users", "alice")
	if ok {
		fmt.Println(user.Name)
	}
	// Output: Alice
}

func ExampleNewMemStore_validation() {
	s := gomap.NewMemStore[User](store.StoreOptions[User]{
		ValidateFns: map[string]store.ValidateFunc[User]{
			"users": func(u User) error {
				if u.Email == "" {
					return errors.New("email required")
				}
				return nil
			},
		},
	})
	defer s.Close()

	_, err := s.Set("users", "bob", User{Name: "Bob"})
	fmt.Println(err)
	// Output: email required
}

func ExampleNewMemStore_comparison() {
	s := gomap.NewMemStore[User](store.StoreOptions[User]{
		CompareFn: func(prev, next User) bool {
			// Only the address matters: nothing else makes an update.
			return prev.Email == next.Email
		},
	})
	defer s.Close()

	s.Set("users", "alice", User{Name: "Alice", Email: "alice@example.com"})
	changed, _ := s.SetFn("users", "alice", func(u User) (User, error) {
		u.Name = "Alice Liddell"
		return u, nil
	})
	fmt.Println(changed)
	// Output: false
}

func ExampleMemStore_Watch() {
	s := gomap.NewMemStore[User](store.StoreOptions[User]{})
	s.Set("users", "alice", User{Name: "Alice"})

	ch, cancel, _ := s.Watch("users",
		store.WithInitialReplay[User](), // Replay existing data
		store.WithEventTypes[User]( // Filter event types
			store.EventTypeCreate,
			store.EventTypeUpdate,
		),
		store.WithBufferSize[User](256), // Channel buffer size
	)
	defer cancel()

	s.Set("users", "alice", User{Name: "Alice Liddell"})
	s.Delete("users", "alice")
	s.Set("users", "bob", User{Name: "Bob"})
	for event := range ch {
		switch event.EventType {
		case store.EventTypeCreate:
			fmt.Printf("Created: %s\n", event.Name)
		case store.EventTypeUpdate:
			fmt.Printf("Updated: %s, was %s\n", event.Name, event.Old.Name)
		}
		if event.Name == "bob" {
			break
		}
	}
	s.Close()
	for range ch { // closed with the store
	}
	// Output:
	// Created: alice
	// Updated: alice, was Alice
	// Created: bob
}

func ExampleMemStore_ByIndex() {
	s := gomap.NewMemStore[User](store.StoreOptions[User]{})
	defer s.Close()
	s.AddIndex("users", "domain", func(_ string, u User) ([]string, error) {
		i := slices.Index([]byte(u.Email), '@')
		return []string{u.Email[i+1:]}, nil
	})
	s.Set("users", "alice", User{Email: "alice@example.com"})
	s.Set("users", "bob", User{Email: "bob@example.org"})

	users, err := s.ByIndex("users", "domain", "example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	for key, user := range users {
		fmt.Println(key, user.Email)
	}
	// Output: bob bob@example.org
}
