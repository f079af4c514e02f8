package gomap

// hookPoint is a place in a protocol between two steps that somebody else's may come between.
type hookPoint int

const (
	hookPinned     hookPoint = iota // a reader has pinned a revision, and has yet to look at the floor
	hookMoved                       // a cursor has pinned where it goes, and has yet to look at the floor
	hookPinsRead                    // the writer has read the short pins, and has yet to read the cursors' positions
	hookBefore                      // a reader has the version before another, and has yet to look at its flags
	hookSleep                       // a cursor is counted as asleep, and has yet to say so
	hookRegistered                  // a part is known to the writer, and has yet to be filled
)

// testHook is called at these places. It is for tests, which stop a goroutine there.
var testHook func(hookPoint)

func hook(p hookPoint) {
	if testHook != nil {
		testHook(p)
	}
}
