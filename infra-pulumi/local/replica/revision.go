// Package replica runs the replicas of a revision as processes of this
// machine, by the rules by which Container Apps runs them as containers: the
// startup probe decides when a replica has come up, the liveness probe when it
// is started again, the readiness probe whether it gets requests; it is
// stopped by SIGTERM (CTRL_BREAK on Windows) and, after its grace, by force.
//
// A replica is one executable with nothing but the declared environment:
// whatever it needs and the declaration forgets is missing here too.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prynai/prynai-mcp/infra-pulumi/local/declaration"
)

// Config says what to run.
type Config struct {
	// Revision is the name of the whole; the replicas are numbered.
	Revision   string
	Replicas   int
	Executable string
	// Environment is what the container would see. LISTEN_ADDR in it names the
	// port that the server listens on within its container; it alone is
	// changed, since here all replicas share one loopback interface.
	Environment map[string]string
	Probes      []declaration.Probe
	Grace       time.Duration
	// Hide are secrets: a log line is never shown with one.
	Hide []string
	// Log, if set, gets the lines that the replicas write.
	Log io.Writer
	// Tell, if set, is told of what happens to the replicas.
	Tell func(format string, args ...any)
}

// Revision is a number of equal replicas.
type Revision struct {
	config   Config
	replicas []*Replica
	next     atomic.Uint64
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Start starts the replicas and returns at once.
func Start(config Config) (*Revision, error) {
	if config.Tell == nil {
		config.Tell = func(string, ...any) {}
	}
	port, err := listenPort(config.Environment)
	if err != nil {
		return nil, err
	}
	// The replicas outlive any request to start them: Stop alone ends them.
	ctx, stop := context.WithCancel(context.Background())
	revision := &Revision{config: config, stop: stop}
	for i := range config.Replicas {
		replica := newReplica(fmt.Sprintf("%s-%d", config.Revision, i), port, config)
		revision.replicas = append(revision.replicas, replica)
		revision.running.Go(func() { replica.run(ctx) })
	}
	return revision, nil
}

// Name is the revision's name.
func (r *Revision) Name() string { return r.config.Revision }

// Replicas are the replicas, in their order.
func (r *Revision) Replicas() []*Replica { return r.replicas }

// Ready reports whether every replica takes requests.
func (r *Revision) Ready() bool {
	return !slices.ContainsFunc(r.replicas, func(replica *Replica) bool { return !replica.Ready() })
}

// Restarts is how often replicas had to be started again.
func (r *Revision) Restarts() (sum int) {
	for _, replica := range r.replicas {
		sum += replica.restarts()
	}
	return sum
}

// Problem tells why a replica is not ready, with the last lines of its log; nil while nothing went wrong.
func (r *Revision) Problem() error {
	for _, replica := range r.replicas {
		if err := replica.problem(); err != nil {
			return err
		}
	}
	return nil
}

// ErrNoneReady says that no replica takes requests now.
var ErrNoneReady = errors.New("no replica is ready")

// Next is the address of the next ready replica in turn, for a port of the
// container.
func (r *Revision) Next(port int) (address string, err error) {
	for range r.replicas {
		replica := r.replicas[r.next.Add(1)%uint64(len(r.replicas))]
		if replica.Ready() {
			return replica.address(port)
		}
	}
	return "", ErrNoneReady
}

// Stop takes the replicas out of the ingress, asks them to end and waits until
// they have.
func (r *Revision) Stop() {
	r.stop()
	r.running.Wait()
}
