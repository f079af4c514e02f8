package wire_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/larder-dev/larder/internal/controlplane"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(controlplane.Main(m)) }
