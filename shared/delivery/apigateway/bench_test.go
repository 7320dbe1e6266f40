package apigateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
)

type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// BenchmarkPost compares a Poster with the SDK's client as it comes: without a
// network, and to a server on this machine, whose work is then part of it.
// cpu-ns/op is processor time, which tells more than time on a busy machine.
func BenchmarkPost(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	frame := make([]byte, 400)
	for name, transport := range map[string]http.RoundTripper{"alone": instant{}, "http": newTransport()} {
		p, err := New(Options{Endpoint: server.URL + "/ws", AWS: testAWS, Transport: transport})
		if err != nil {
			b.Fatal(err)
		}
		bench := func(name string, post func(b *testing.B) error) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				before := cpu()
				for b.Loop() {
					if err := post(b); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			})
		}
		bench(name+"/poster", func(b *testing.B) error { return p.Post(b.Context(), "PJqB0fHsqRcCHlw=", frame) })
		bench(name+"/sdk", func(b *testing.B) error {
			_, err := p.client.PostToConnection(b.Context(), &mgmt.PostToConnectionInput{ConnectionId: aws.String("PJqB0fHsqRcCHlw="), Data: frame})
			return err
		})
	}
}

func cpu() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}
