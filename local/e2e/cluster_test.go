package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A redisNode is a redis-server of a cluster.
type redisNode struct {
	*redis.Client
	port int
	cmd  *exec.Cmd
	id   string
}

func (n *redisNode) addr() string { return "127.0.0.1:" + strconv.Itoa(n.port) }

// kill ends it as a machine that dies.
func (n *redisNode) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// A redisCluster is three masters and a replica of the first, which is as small as
// one can be that fails over: a majority of masters has to vote.
type redisCluster struct {
	masters []*redisNode
	replica *redisNode
}

const slots = 16384

// startCluster starts real servers. Where a slot is that no master has, whole says
// whether the others go on.
func startCluster(t *testing.T, whole bool) *redisCluster {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	c := &redisCluster{}
	for range 3 {
		c.masters = append(c.masters, startNode(t, whole))
	}
	c.replica = startNode(t, whole)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	all := append(slices.Clone(c.masters), c.replica)
	for i, n := range all {
		must(n.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if i < 3 {
			must(n.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err())
		}
		must(all[0].ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(n.port)).Err())
		id, err := n.ClusterMyID(ctx).Result()
		must(err)
		n.id = id
	}
	eventually(t, "the nodes know each other", func() bool {
		return !slices.ContainsFunc(all, func(n *redisNode) bool { return !strings.Contains(n.info(ctx), "cluster_known_nodes:4") })
	})
	eventually(t, "the replica knows its master", func() bool {
		return c.replica.ClusterReplicate(ctx, c.masters[0].id).Err() == nil
	})
	eventually(t, "the cluster is up", func() bool {
		return !slices.ContainsFunc(all, func(n *redisNode) bool { return !strings.Contains(n.info(ctx), "cluster_state:ok") })
	})
	eventually(t, "the replica is in step", func() bool {
		return strings.Contains(c.replica.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	return c
}

func (n *redisNode) info(ctx context.Context) string { return n.ClusterInfo(ctx).Val() }

// startNode starts a server on a port of which the one of the cluster's bus, ten
// thousand above it, is free as well.
func startNode(t *testing.T, whole bool) *redisNode {
	t.Helper()
	coverage := "no"
	if whole {
		coverage = "yes"
	}
	for range 20 {
		n := &redisNode{port: 20_000 + rand.IntN(30_000)}
		if !free(n.port) || !free(n.port+10_000) {
			continue
		}
		var said bytes.Buffer
		n.cmd = exec.Command("redis-server", "--port", strconv.Itoa(n.port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "",
			"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", coverage,
			"--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", "--loglevel", "warning")
		n.cmd.Stdout, n.cmd.Stderr = &said, &said
		if err := n.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n.Client = redis.NewClient(&redis.Options{Addr: n.addr(), MaxRetries: -1})
		t.Cleanup(func() { _ = n.Close(); n.kill() })
		for deadline := time.Now().Add(patience); time.Now().Before(deadline) && n.cmd.ProcessState == nil; time.Sleep(20 * time.Millisecond) {
			if n.Ping(t.Context()).Err() == nil {
				return n
			}
		}
		n.kill()
		t.Log("redis-server does not answer: ", said.String())
	}
	t.Fatal("no redis-server starts")
	return nil
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	return err == nil && l.Close() == nil
}

func (c *redisCluster) addrs() string {
	var all []string
	for _, n := range c.masters {
		all = append(all, n.addr())
	}
	return strings.Join(all, ",")
}

// first reports whether a key is of the first master.
func (c *redisCluster) first(t *testing.T, key string) bool {
	t.Helper()
	slot, err := c.masters[2].ClusterKeySlot(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	return slot < slots/3
}

// failedOver reports whether the replica is a master now.
func (c *redisCluster) failedOver(ctx context.Context) error {
	if role := c.replica.Info(ctx, "replication").Val(); !strings.Contains(role, "role:master") {
		return errors.New("the replica is none yet")
	}
	for _, n := range []*redisNode{c.masters[1], c.masters[2], c.replica} {
		if !strings.Contains(n.info(ctx), "cluster_state:ok") {
			return errors.New("the cluster is down")
		}
	}
	return nil
}
