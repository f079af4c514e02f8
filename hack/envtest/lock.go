//go:build darwin || linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a lock that somebody else holds is tried. flock can wait by itself, but not until a
// context is done.
const lockPoll = 200 * time.Millisecond

// A fileLock is held by one owner at a time, on this machine, until it is released or its owner's process ends.
type fileLock struct {
	file *os.File
}

// lock takes the lock on the file at path, which it creates if need be and never removes: removing it would let
// a second owner lock a new file of that name. If somebody else has the lock, it calls waiting once, and waits.
func lock(ctx context.Context, path string, waiting func()) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &fileLock{file}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

func (l *fileLock) release() error { return l.file.Close() }
