package gomap

import "sync/atomic"

// hookPoint is a place in a protocol between two steps that somebody else's may come between.
type hookPoint int

const (
	hookViewed     hookPoint = iota // a reader has taken the published revision, and has yet to pin it
	hookRead                        // a cursor has read a part of the log, and has yet to pin where it goes
	hookAllowed                     // a cursor has looked at the floor, and has yet to set its position
	hookPinsRead                    // the writer has read the short pins, and has yet to read the cursors' positions
	hookBefore                      // a reader has the version before another, and has yet to look at its flags
	hookSleep                       // a cursor is counted as asleep, and has yet to say so
	hookRegistered                  // a part is known to the writer, and has yet to be filled
	hookFilled                      // a part has its content, and has yet to take what was handed over meanwhile
	hookApplied                     // the writer has made the versions of a commit, and has yet to publish them
	hookCommitted                   // the writer has published a commit, and has yet to hand it to the parts
)

// testHook is called at these places. It is for tests, which stop a goroutine there.
var testHook atomic.Pointer[func(hookPoint)]

func hook(p hookPoint) {
	if fn := testHook.Load(); fn != nil {
		(*fn)(p)
	}
}
