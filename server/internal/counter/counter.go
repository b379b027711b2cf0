// Package counter is the counter that all replicas share. It is one Redis key,
// prynai:counter, which this package owns and which has no lifetime.
package counter

import (
	"context"

	"github.com/redis/rueidis"
)

const key = "prynai:counter"

// Counter counts in Redis.
type Counter struct{ client rueidis.Client }

// New makes a Counter; every Counter of the same Redis is the same one.
func New(client rueidis.Client) Counter { return Counter{client} }

// Add adds n atomically and returns the new value. When Redis does not answer,
// it is in doubt whether n was added; Add does not try again.
func (c Counter) Add(ctx context.Context, n int64) (int64, error) {
	return c.client.Do(ctx, c.client.B().Incrby().Key(key).Increment(n).Build()).AsInt64()
}

// Value returns the counter's value, 0 if nothing was ever added.
func (c Counter) Value(ctx context.Context) (int64, error) {
	value, err := c.client.Do(ctx, c.client.B().Get().Key(key).Build()).AsInt64()
	if rueidis.IsRedisNil(err) {
		return 0, nil
	}
	return value, err
}
