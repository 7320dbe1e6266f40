package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
)

// environmentFile tells functions that run elsewhere where everything is.
var environmentFile = filepath.Join(command.DataDir, "env.json")

// writeEnvironment writes environmentFile in the form that sam local takes as
// --env-vars: the variables of each function by its logical id. It holds the
// secret of this machine.
func writeEnvironment(s *server.Server) error {
	all, err := s.Environment()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.MkdirAll(command.DataDir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(environmentFile, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the functions' environment: %w", err)
	}
	return nil
}
