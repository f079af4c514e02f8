package workqueue_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/larder-dev/larder/internal/guide"
)

const path = "../../docs/queue.md"

// Invariant: the code in the guide is code of example_test.go, which is compiled and run, and its table of
// differences is that of TestSemantics. UPDATE_GUIDE=1 puts the table in.
func TestGuide(t *testing.T) {
	text := guide.Check(t, path)

	table := regexp.MustCompile(`(?s)\n\| what \| larder \|.*?\n\n`)
	updated := table.ReplaceAllLiteralString(text, "\n"+differences()+"\n")
	if !strings.Contains(updated, differences()) {
		t.Error("the guide has no table of differences")
	}
	switch {
	case updated == text:
	case os.Getenv("UPDATE_GUIDE") == "":
		t.Error("the guide has another table of differences: run UPDATE_GUIDE=1 go test -run Guide ./pkg/workqueue")
	default:
		if err := os.WriteFile(path, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// differences returns the rows of the semantics in which a peer does something else, but for the priorities that
// client-go's queue does not have.
func differences() string {
	var b strings.Builder
	b.WriteString("| what | larder | client-go | controller-runtime |\n|---|---|---|---|\n")
	for _, s := range semantics {
		clientGo := strings.TrimPrefix(s.clientGo, noPriorities)
		if clientGo+s.controllerRuntime == "" {
			continue
		}
		row := "| " + s.name
		for _, out := range []string{s.want, clientGo, s.controllerRuntime} {
			if out == "" {
				out = s.want
			}
			row += " | `" + out + "`"
		}
		b.WriteString(row + " |\n")
	}
	return b.String()
}
