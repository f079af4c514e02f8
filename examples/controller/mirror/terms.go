package mirror

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Selectors and namespaces find each other through terms, which serve as index
// values on both sides:
//
//	key=value   the label has that value
//	key         the label is there
//	*           always
//
// A namespace has all the terms that are true of it. A selector is filed under
// terms of which a matching namespace must have one; they are exclusive, so that
// it has exactly one. So an index of namespaces by term finds the candidates for a
// selector, and an index of selectors by term those for a namespace; what the
// candidates really do is then asked of the selector itself. Only selectors that
// require nothing to be there (such as "!a" or "a!=b") are filed under "*".
const always = "*"

// labelTerms returns all the terms of a set of labels.
func labelTerms(set labels.Set) []string {
	terms := make([]string, 0, 2*len(set)+1)
	for key, value := range set {
		terms = append(terms, key, key+"="+value)
	}
	return append(terms, always)
}

// selectorTerms returns the terms that a selector is filed under: those of the
// requirement that narrows it down the most.
func selectorTerms(selector labels.Selector) []string {
	best := []string{always}
	bestRank := rankAlways
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if rank, terms := requirementTerms(r); rank > bestRank {
			best, bestRank = terms, rank
		}
	}
	return best
}

// A rank says how much a requirement narrows down.
type rank int

const (
	rankAlways rank = iota
	rankKey
	rankValue
)

func requirementTerms(r labels.Requirement) (rank, []string) {
	switch r.Operator() {
	case selection.Equals, selection.DoubleEquals, selection.In:
		var terms []string
		for value := range r.Values() {
			terms = append(terms, r.Key()+"="+value)
		}
		return rankValue, terms
	case selection.Exists, selection.GreaterThan, selection.LessThan:
		return rankKey, []string{r.Key()}
	default: // also true of a namespace without the label
		return rankAlways, []string{always}
	}
}

// errEmptySelector is why a selector without requirements is not accepted.
var errEmptySelector = errors.New(`it is empty, which would mean every namespace; ` +
	`if that is what you want, write "kubernetes.io/metadata.name", a label that every namespace has`)

// parseSelector returns the selector in a source's annotation, or an error that
// says what is wrong with it.
func parseSelector(s string) (labels.Selector, error) {
	selector, err := labels.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no label selector: %w", s, err)
	}
	if selector.Empty() {
		return nil, errEmptySelector
	}
	return selector, nil
}
