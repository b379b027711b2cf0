package graph

import (
	"context"
	"time"
)

// patience bounds how long Settle waits in all. Entra promises nothing; mostly
// it takes seconds.
const patience = 3 * time.Minute

// Settle does something with objects that were just made, again and again while
// Graph does not know them yet. It tells before each pause.
func Settle(ctx context.Context, pausing func(time.Duration), do func(context.Context) error) error {
	pause := time.Second
	for deadline := time.Now().Add(patience); ; pause = min(2*pause, 20*time.Second) {
		err := do(ctx)
		if err == nil || !IsNotThereYet(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		pausing(pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
