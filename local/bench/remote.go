package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"aiwm-chat/local/client"
	"aiwm-chat/local/prometheus"
	"aiwm-chat/shared/chat"
)

// inUse is the memory that must not grow: of the server's process, or as the server
// elsewhere tells it.
func (b *bench) inUse(ctx context.Context) (int64, error) {
	if !b.Elsewhere {
		return b.process.memory().inUse(), nil
	}
	return remoteMemory(ctx, b.HTTPURL)
}

var errUntold = errors.New("the memory of the server is not to be seen: its /metrics does not tell it, as that of go run ./local does; leave out the memory watch")

// remoteMemory asks a server for it.
func remoteMemory(ctx context.Context, address string) (int64, error) {
	const longest = 1 << 20
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of the server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, longest))
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of the server: %w", err)
	}
	heap, told := prometheus.Value(text, prometheus.HeapLive)
	if answer.StatusCode != http.StatusOK || !told {
		return 0, errUntold
	}
	stacks, _ := prometheus.Value(text, prometheus.Stacks)
	return int64(heap + stacks), nil
}

// limited adds to a refusal what is to be done about it.
func limited(err error) error {
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code == chat.RateLimited {
		return fmt.Errorf("%w; a server under load must have no limits: start it with LIMIT_USER_MESSAGES=0 and its like (a stack: LimitUserMessages)", err)
	}
	return err
}
