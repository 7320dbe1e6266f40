package contract

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"aiwm-chat/local/command"
)

// Names of the documents: of the files, and of the paths at which they are served.
const (
	OpenAPIName  = "openapi.json"
	AsyncAPIName = "asyncapi.json"
)

// Command writes both documents into a folder, for those who generate clients.
func Command(_ context.Context, args []string, out io.Writer, _ func(string) string) error {
	fs, at := flag.NewFlagSet("contract", flag.ContinueOnError), Local
	dir := fs.String("dir", ".", "write into this `folder`")
	fs.StringVar(&at.REST, "rest", at.REST, "the `URL` of the REST interface that the documents name")
	fs.StringVar(&at.WebSocket, "websocket", at.WebSocket, "the `URL` of the WebSocket that the documents name")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	d, err := New(at)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err // names the folder
	}
	for name, text := range map[string][]byte{OpenAPIName: d.OpenAPI, AsyncAPIName: d.AsyncAPI} {
		if err := os.WriteFile(filepath.Join(*dir, name), text, 0o644); err != nil {
			return err // names the file
		}
	}
	_, err = fmt.Fprintf(out, "wrote %s and %s\n", filepath.Join(*dir, OpenAPIName), filepath.Join(*dir, AsyncAPIName))
	return err
}
