package ctrlruntime

import (
	"cmp"
	"encoding/base64"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/larder-dev/larder/internal/core"
)

// page is a part of what is found: the hits with the least keys that come after
// one, up to a limit. It takes them in any order, and holds no more than twice the limit,
// so that a page of many costs one look at each, and no sorting of all.
type page struct {
	after string
	limit int64 // 0 for none

	hits  []hit
	total int64  // that were found after that key
	last  string // beyond which there are enough; "" while there are not
}

// hit is an object that a list has found.
type hit struct {
	key   string
	value core.Value
	from  *namespaceCache
}

// wants tells whether a key is after the one that the page begins with.
func (p *page) wants(key string) bool { return p.after == "" || key > p.after }

// add takes in a hit, which the page wants.
func (p *page) add(h hit) {
	p.total++
	if p.last != "" && h.key > p.last {
		return
	}
	p.hits = append(p.hits, h)
	if p.limit > 0 && int64(len(p.hits))/2 >= p.limit {
		p.trim()
	}
}

// trim sorts the hits and leaves no more than the limit.
func (p *page) trim() {
	slices.SortFunc(p.hits, func(a, b hit) int { return cmp.Compare(a.key, b.key) })
	if p.limit > 0 && int64(len(p.hits)) > p.limit {
		clear(p.hits[p.limit:])
		p.hits = p.hits[:p.limit]
		p.last = p.hits[p.limit-1].key
	}
}

// content returns the page in the order of its keys, and how many hits come after it.
func (p *page) content() (hits []hit, rest int64) {
	p.trim()
	return p.hits, p.total - int64(len(p.hits))
}

// A Continue token is the last key that was read.

const continuePrefix = "larder:"

func formatContinue(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(continuePrefix + key))
}

func parseContinue(token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil && len(text) > len(continuePrefix) && string(text[:len(continuePrefix)]) == continuePrefix {
		return string(text[len(continuePrefix):]), nil
	}
	return "", apierrors.NewBadRequest("continue token is not one of this cache: pass the one of the list before")
}
