package workqueue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Invariants, in whatever order getters park, are woken, and give up:
//   - who parked last is woken first, and of those woken by wakeOne one at a time is on its way;
//   - who was woken has one wake-up, and nobody else has any: so waking never blocks, and no getter finds what was
//     meant for another one. That holds also for who gives up when it is woken already.
func TestWaiters(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	source := rand.New(rand.NewPCG(seed, 0))
	var ws waiters
	var parked, woken []*waiter
	coming := false
	wake := func() {
		last := len(parked) - 1
		woken = append(woken, parked[last])
		parked = parked[:last]
	}
	for range 20_000 {
		switch source.IntN(6) {
		case 0, 1:
			parked = append(parked, ws.park())
		case 2:
			ws.wakeOne()
			if len(parked) > 0 && !coming {
				coming = true
				wake()
			}
		case 3:
			if len(parked) > 0 { // gives up
				i, last := source.IntN(len(parked)), len(parked)-1
				ws.unpark(parked[i])
				parked[i] = parked[last]
				parked = parked[:last]
			}
		case 4:
			if len(woken) > 0 {
				i := source.IntN(len(woken))
				if source.IntN(2) == 0 { // else it gives up, and does not see the wake-up
					woken[i].sleep(nil)
				}
				ws.unpark(woken[i])
				woken = slices.Delete(woken, i, i+1)
				coming = false
			}
		case 5:
			if source.IntN(20) == 0 {
				ws.wakeAll()
				for len(parked) > 0 {
					wake()
				}
			}
		}
		if !slices.Equal(ws.parked, parked) {
			t.Fatalf("%d getters are parked, want %d, or others", len(ws.parked), len(parked))
		}
		for _, w := range parked {
			if len(w.wake) != 0 {
				t.Fatal("a parked getter has the wake-up of another one")
			}
		}
		for _, w := range woken {
			if len(w.wake) != 1 {
				t.Fatal("a woken getter has no wake-up")
			}
		}
	}
}
