package observe

// A Metric is a number that functions tell of what they do.
type Metric int

// The metrics. What is operated by them is in README.md beside this file.
const (
	Connects Metric = iota
	Disconnects
	Messages
	Duplicates
	DeliveryLatency
	FanOut
	Posts
	PostsGone
	PostsFailed
	OldestDue
	RateLimited
	SummarySuccesses
	SummaryFailures
	SummaryDuration
	SummaryTokens
	Errors
	ErrorsByCode
	Failures
	ColdStarts
	Crashes
	metrics // how many there are
)

// A Description is what CloudWatch, Prometheus and people are told of a metric.
type Description struct {
	Name string
	Unit string // of CloudWatch
	Help string
	// Label is a dimension that tells its values apart, or "". Total says that there
	// is a series of all of them, too.
	Label string
	Total bool
	// Distribution is a metric of which each value counts, and not their sum.
	Distribution bool
}

// Namespace is that of the metrics; StackDimension, the name of the stack, is a
// dimension of each.
const (
	Namespace      = "aiwm-chat"
	StackDimension = "Stack"
)

const (
	count        = "Count"
	milliseconds = "Milliseconds"
)

var descriptions = [metrics]Description{
	Connects:         {Name: "Connects", Unit: count, Label: "Type", Total: true, Help: "connections that were let in, by the type of their principal"},
	Disconnects:      {Name: "Disconnects", Unit: count, Label: "Type", Total: true, Help: "connections whose end API Gateway told"},
	Messages:         {Name: "Messages", Unit: count, Help: "messages that were stored"},
	Duplicates:       {Name: "Duplicates", Unit: count, Help: "messages that were there already"},
	DeliveryLatency:  {Name: "DeliveryLatency", Unit: milliseconds, Distribution: true, Help: "from when a message was made to when it was posted to all whom this try reached"},
	FanOut:           {Name: "FanOut", Unit: count, Distribution: true, Help: "posts of one message"},
	Posts:            {Name: "Posts", Unit: count, Help: "frames that were posted, replies included"},
	PostsGone:        {Name: "PostsGone", Unit: count, Help: "posts to connections that were gone"},
	PostsFailed:      {Name: "PostsFailed", Unit: count, Help: "posts that were given up, for now or for good"},
	OldestDue:        {Name: "OldestDue", Unit: "Seconds", Distribution: true, Help: "age of the oldest message of which something was due when sweep came, 0 where nothing was"},
	RateLimited:      {Name: "RateLimited", Unit: count, Help: "what was refused because of a limit"},
	SummarySuccesses: {Name: "SummarySuccesses", Unit: count, Help: "answers of the model that became a summary"},
	SummaryFailures:  {Name: "SummaryFailures", Unit: count, Help: "questions to the model that became none"},
	SummaryDuration:  {Name: "SummaryDuration", Unit: milliseconds, Distribution: true, Help: "time that the model took, also where it failed"},
	SummaryTokens:    {Name: "SummaryTokens", Unit: count, Help: "tokens that the model counted, of questions and answers"},
	Errors:           {Name: "Errors", Unit: count, Help: "events that ended with an error, the clients' own included"},
	ErrorsByCode:     {Name: "ErrorsByCode", Unit: count, Label: "Code", Help: "the same by code"},
	Failures:         {Name: "Failures", Unit: count, Help: "errors that are ours to mend: those with a line of level ERROR"},
	ColdStarts:       {Name: "ColdStarts", Unit: count, Label: "Function", Help: "first invocations of an execution environment"},
	Crashes:          {Name: "Crashes", Unit: count, Help: "starts that failed, and handshakes that could not be decided on"},
}

// Descriptions returns those of all metrics.
func Descriptions() []Description { return descriptions[:] }
