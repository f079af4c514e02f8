package controller

import "sync"

// names are the names of the controllers that run in this process. A name is
// free again once its controller has ended, so that one can be restarted.
var names = nameSet{taken: make(map[string]bool)}

type nameSet struct {
	mu    sync.Mutex
	taken map[string]bool
}

// claim takes a name and returns what gives it back, or false if it is taken.
func (s *nameSet) claim(name string) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[name] {
		return nil, false
	}
	s.taken[name] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.taken, name)
	}, true
}
