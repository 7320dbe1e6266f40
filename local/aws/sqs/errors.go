package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// An apiError is an error as SQS reports it: the shape name types it in an SDK,
// and the code of the old query protocol is what an SDK calls the error's code.
type apiError struct {
	shape     string // "" for those without a shape in the service model
	queryCode string
	status    int
	message   string
}

// fault says whose fault it is.
func (e *apiError) fault() string {
	if e.status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

func (e *apiError) Error() string { return e.queryCode + ": " + e.message }

var (
	errNoQueue = &apiError{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400,
		"The specified queue does not exist."}
	errHandle = &apiError{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400,
		"The input receipt handle is invalid."}
	errNotInflight = &apiError{"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400,
		"The message is not in flight."}
	errContents = &apiError{"InvalidMessageContents", "InvalidMessageContents", 400,
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF."}
	errOverLimit = &apiError{"OverLimit", "OverLimit", 403,
		"The queue holds as much as the local server allows one queue to hold."}
	errEmptyBatch = &apiError{"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400,
		"There should be at least one entry in the request."}
	errManyEntries = &apiError{"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400,
		"Maximum number of entries per request are 10."}
	errEntryIDs = &apiError{"BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400,
		"The ids of the entries are not distinct."}
	errEntryID = &apiError{"InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400,
		"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."}
)

func missing(parameter string) *apiError {
	return &apiError{"", "MissingParameter", 400, "The request must contain the parameter " + parameter + "."}
}

func invalidValue(format string, args ...any) *apiError {
	return &apiError{"", "InvalidParameterValue", 400, fmt.Sprintf(format, args...)}
}

// toAPIError gives what went wrong in a queue the name that SQS has for it.
func toAPIError(err error) *apiError {
	var e *apiError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, errFull):
		return errOverLimit
	case errors.Is(err, errBadHandle):
		return errHandle
	case errors.Is(err, errNotInFlight):
		return errNotInflight
	}
	return &apiError{"", "InternalFailure", 500, "internal failure"}
}

func writeError(w http.ResponseWriter, e *apiError) {
	shape := e.shape
	if shape == "" {
		shape = e.queryCode
	}
	w.Header().Set("X-Amzn-Query-Error", e.queryCode+";"+e.fault())
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + shape, "message": e.message})
}
