package lambda

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"aiwm-chat/local/aws/account"
)

// runtimeDir is where Lambda keeps a runtime; there is none here, nor with
// provided.al2023.
const runtimeDir = "/var/runtime"

// environment returns what Lambda's execution environment sets for a function,
// the address of the Runtime API excepted, and the function's own variables,
// which cannot override it.
func environment(function, taskRoot string, f ExecFunction) []string {
	libraries := []string{"/lib64", "/usr/lib64", runtimeDir, runtimeDir + "/lib", taskRoot, taskRoot + "/lib", "/opt/lib"}
	env := map[string]string{
		"LD_LIBRARY_PATH": strings.Join(libraries, ":"),

		"PATH":  "/usr/local/bin:/usr/bin:/bin",
		"LANG":  "en_US.UTF-8",
		"TZ":    ":UTC",
		"HOME":  "/tmp",
		"PWD":   taskRoot,
		"SHLVL": "0",
	}
	maps.Copy(env, f.Env)
	maps.Copy(env, map[string]string{
		"_HANDLER":                        "bootstrap",
		"LAMBDA_TASK_ROOT":                taskRoot,
		"LAMBDA_RUNTIME_DIR":              runtimeDir,
		"AWS_REGION":                      account.Region,
		"AWS_DEFAULT_REGION":              account.Region,
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_NAME":        function,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemorySize),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + function,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
	})
	list := make([]string, 0, len(env)+1)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
