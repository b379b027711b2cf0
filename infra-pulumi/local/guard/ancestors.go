package guard

import (
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// ancestorPoll is how often the ancestors are looked for; no system that this
// runs on can tell a process of the death of its grandparent.
const ancestorPoll = 250 * time.Millisecond

// launchers start their child and wait for it. Whoever started them is none of
// our business: a script may well start this in the background and end.
var launchers = []string{"go", "task"}

// kinship is a process and the one that started it.
type kinship struct {
	child, parent int
}

// intact reports that the parent lives: Unix gives an orphan another parent,
// Windows does not but forgets the parent.
func (k kinship) intact() bool {
	parent, _, err := lookUp(k.child)
	if err != nil || parent != k.parent {
		return false
	}
	_, _, err = lookUp(k.parent)
	return err == nil
}

// ancestry lists this process's parent and, while those are launchers, theirs:
// with "go tool task local" that is go run, task, go tool.
func ancestry() []kinship {
	var kin []kinship
	for child := os.Getpid(); ; {
		parent, _, err := lookUp(child)
		if err != nil || parent <= 1 {
			return kin
		}
		kin = append(kin, kinship{child, parent})
		_, name, err := lookUp(parent)
		if err != nil || !slices.Contains(launchers, strings.TrimSuffix(strings.ToLower(name), ".exe")) {
			return kin
		}
		child = parent
	}
}

// watchAncestors closes the channel once an ancestor is gone.
func watchAncestors() (gone chan struct{}, stop func()) {
	gone, done := make(chan struct{}), make(chan struct{})
	kin := ancestry()
	go func() {
		tick := time.NewTicker(ancestorPoll)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if slices.ContainsFunc(kin, func(k kinship) bool { return !k.intact() }) {
					close(gone)
					return
				}
			}
		}
	}()
	return gone, sync.OnceFunc(func() { close(done) })
}
