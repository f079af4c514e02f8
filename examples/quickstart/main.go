// Command quickstart is the store alone: a typed map that can be watched. It
// needs no cluster.
package main

import (
	"fmt"
	"time"

	"github.com/larder-dev/larder/pkg/gomap"
	"github.com/larder-dev/larder/pkg/store"
)

// Task is what the store holds.
type Task struct {
	Title     string
	Completed bool
}

func main() {
	s := gomap.NewMemStore[Task](store.StoreOptions[Task]{})
	defer s.Close()

	// Watch for changes
	ch, cancel, _ := s.Watch("tasks", store.WithInitialReplay[Task]())
	defer cancel()

	go func() {
		for ev := range ch {
			fmt.Printf("[%s] %s: %s\n", ev.EventType, ev.Name, ev.Object.Title)
		}
	}()

	// Add tasks
	s.Set("tasks", "task-1", Task{Title: "Buy groceries"})
	s.Set("tasks", "task-2", Task{Title: "Write docs"})

	// Update task
	s.SetFn("tasks", "task-1", func(t Task) (Task, error) {
		t.Completed = true
		return t, nil
	})

	// The watcher prints at its own pace: give it the time to.
	time.Sleep(100 * time.Millisecond)

	// List incomplete
	tasks, _ := s.List("tasks", func(_ string, t Task) bool {
		return !t.Completed
	})
	fmt.Printf("\nIncomplete: %d\n", len(tasks))
}
