package ctrlruntime_test

import (
	"testing"

	"github.com/larder-dev/larder/internal/guide"
)

// The code in the guide is code of example_test.go, which is compiled.
func TestGuide(t *testing.T) { guide.Check(t, "../../../docs/moving-from-controller-runtime.md") }
