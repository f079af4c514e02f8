package workqueue

import "time"

// Forget ends the retries of item: the next one has the first delay again. It does not take back an item
// that is pending, and Done is still due for one that is being processed.
func (q *Queue[T]) Forget(item T) { q.limiter.Forget(item) }

// NumRequeues returns how many times item was added with rate limiting since it was last forgotten.
func (q *Queue[T]) NumRequeues(item T) int { return q.limiter.NumRequeues(item) }

// delay returns when an item added with o is to be ready. If it is not to be, because its retries are used
// up, the item is forgotten and the error is a *RetriesError.
func (q *Queue[T]) delay(o AddOpts, item T) (time.Duration, error) {
	if !o.RateLimited {
		return o.After, nil
	}
	if q.maxRetries > 0 {
		if n := q.limiter.NumRequeues(item); n >= q.maxRetries {
			q.limiter.Forget(item)
			return 0, &RetriesError{Retries: n}
		}
	}
	backoff := q.limiter.When(item)
	if q.maxBackoff > 0 {
		backoff = min(backoff, q.maxBackoff)
	}
	if o.After != 0 {
		backoff = min(backoff, o.After)
	}
	return backoff, nil
}
