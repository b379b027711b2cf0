package stack

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGrantIsOldEnough(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		text string
		want time.Duration
	}{
		"new":              {age: 0, want: 3 * time.Minute},
		"a minute old":     {age: time.Minute, want: 2 * time.Minute},
		"just old enough":  {age: 3 * time.Minute},
		"old":              {age: 100 * time.Hour},
		"from the future":  {age: -time.Hour, want: 3 * time.Minute},
		"without a time":   {text: "-", want: 3 * time.Minute},
		"an empty time":    {text: " ", want: 3 * time.Minute},
		"with a time zone": {text: "2000-01-01T01:00:00.1234567+01:00", want: 3*time.Minute + 123456700},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, said := time.Now(), 0 // 2000-01-01 in the bubble
				created := c.text
				if created == "" {
					created = began.Add(-c.age).UTC().Format(time.RFC3339Nano)
				}
				if err := awaitGrant(t.Context(), created, func(string) error { said++; return nil }); err != nil {
					t.Fatal(err)
				}
				want := min(c.want, grantAge)
				if waited := time.Since(began); waited != want || (want > 0) != (said == 1) {
					t.Errorf("waited %s and said %d lines, want %s", waited, said, want)
				}
			})
		})
	}
}

func TestWaitForGrantEndsWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := awaitGrant(ctx, "", func(string) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
