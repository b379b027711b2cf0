package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// StartCluster runs a Redis Cluster of three nodes without replicas and returns
// them; any node's address leads to all.
func StartCluster(t testing.TB) [3]*Server {
	t.Helper()
	const slots, nodes = 16384, 3
	var servers [nodes]*Server
	var clients [nodes]rueidis.Client
	for i := range servers {
		// The nodes talk to each other on a port of their own, by default 10000
		// higher, which may not exist.
		_, bus, _ := net.SplitHostPort(freeAddr(t))
		servers[i] = Start(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000")
		client, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{servers[i].Addr}, ForceSingleClient: true, DisableCache: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		clients[i] = client

		host, port, _ := net.SplitHostPort(servers[0].Addr)
		run(t, clients[i], "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/nodes), strconv.Itoa((i+1)*slots/nodes-1))
		if i > 0 {
			run(t, clients[i], "CLUSTER", "MEET", host, port, busPort(t, clients[0]))
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		agreed := 0
		for _, client := range clients {
			info := run(t, client, "CLUSTER", "INFO")
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d\r\n", nodes)) {
				agreed++
			}
		}
		if agreed == nodes {
			return servers
		}
		if time.Now().After(deadline) {
			t.Fatal("the cluster's nodes do not agree")
		}
	}
}

// busPort reads from CLUSTER NODES, whose lines hold ip:port@busport.
func busPort(t testing.TB, client rueidis.Client) string {
	t.Helper()
	_, rest, _ := strings.Cut(run(t, client, "CLUSTER", "NODES"), "@")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end <= 0 {
		t.Fatal("CLUSTER NODES tells no bus port")
	}
	return rest[:end]
}

func run(t testing.TB, client rueidis.Client, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	text, err := client.Do(ctx, client.B().Arbitrary(command...).Build()).ToString()
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return text
}
