package cost

import (
	"fmt"
	"math"

	"aiwm-chat/shared/chat"
)

// A use is what people do in a month.
type use struct {
	users    int
	messages int     // of each user, the agents' answers included
	minutes  int     // that each user is connected
	tokens   int     // that the model reads for a summary
	written  int     // that it writes
	kb       float64 // of a frame
	ms       float64 // that a function takes
	memory   float64 // MB of a function
	peak     float64 // how much busier the busiest hour is than the average
	dialect  chat.Dialect
	vpc      bool

	streams      string  // who writes the answers that people see grow
	answerTokens int     // of one
	answerSpeed  float64 // tokens a second
}

// What is assumed of a month, and of what Lambda does.
const (
	hours         = 730
	minutesOf     = hours * 60
	sessionMin    = 30    // minutes of one connection
	pingMinutes   = 9.0   // between pings: API Gateway ends what is idle for ten
	restOfSession = 2     // REST requests of one
	restMongo     = 2     // operations of one, and as many commands of Redis
	logBytes      = 500   // of a line, one for each invocation
	pollers       = 5     // with which Lambda asks a queue, also where nothing is in it
	pollSeconds   = 20    // that each of them waits
	queues        = 5     // welcome, summary, stream, run and webhook
	jobRequests   = 3     // send, receive and delete
	requestBytes  = 1_500 // of a command or an operation, with its answer, through the NAT gateway
)

// amountsOf is what a month asks of everything, idle included.
func amountsOf(u use) (all amounts, sessions, summaries float64) {
	messages := float64(u.users * u.messages)
	sessions = float64(u.users) * float64(u.minutes) / sessionMin
	pings := float64(u.users)*float64(u.minutes)/pingMinutes + minutesOf/pingMinutes // and an agent's, day and night
	summaries = messages / chat.SummaryEvery
	if u.users == 0 {
		pings = 0
	}
	all = Message(u.dialect).times(messages).plus(Session().times(sessions)).plus(Ping().times(pings)).
		plus(Summary().times(summaries)).plus(Sweep().times(minutesOf))
	rest := sessions * restOfSession
	all.invocations += rest
	all.mongo += rest * restMongo
	all.redis += rest * restMongo
	return all, sessions, summaries
}

// month returns the lines of a bill. shared are those that a server which runs day
// and night would have as well: the databases and the model.
func month(t table, u use) (own, shared []line) {
	a, sessions, summaries := amountsOf(u)
	connected := float64(u.users * u.minutes)
	if u.users > 0 {
		connected += minutesOf // one agent
	}
	a, answers := withAnswers(a, u)
	writing := 0.0
	if u.streams == streamsManaged {
		writing = answers * duration(u.answerTokens, u.answerSpeed).Seconds()
	}
	gb := a.frames * u.kb / 1e6
	metered := math.Ceil(u.kb/32) * a.frames
	own = []line{
		t.of("frame", metered),
		t.of("connection-minute", connected),
		t.of("http-request", sessions*restOfSession),
		t.of("invocation", a.invocations),
		t.of("gb-second", a.invocations*u.ms/1000*u.memory/1024+writing*answerMemory/1024),
		t.of("queue-request", a.jobs*jobRequests+queues*pollers*hours*3600/pollSeconds),
		t.of("log-gb", a.invocations*logBytes/1e9),
		t.of("transfer-gb", gb),
	}
	if u.vpc {
		// The functions have to reach @connections, the queues and the model, which
		// are outside.
		own = append(own, t.of("nat-hour", hours), t.of("nat-gb", gb+a.mongo*requestBytes/1e9))
		shared = append(shared, t.of("redis-node-hour", hours))
	} else {
		shared = append(shared, t.of("redis-command", a.redis))
	}
	shared = append(shared, mongo(t, u, a.mongo/hours/3600*u.peak))
	if u.tokens > 0 {
		shared = append(shared, t.of("model-read", summaries*float64(u.tokens)), t.of("model-written", summaries*float64(u.written)))
	}
	return own, shared
}

// mongo is a cluster that does so many operations a second.
func mongo(t table, u use, second float64) line {
	switch step := math.Ceil(second/100) * 100; {
	case u.vpc && second <= 500:
		return t.of("mongo-small-hour", hours)
	case second > 500:
		return t.of("mongo-dedicated-hour", hours)
	default:
		return t.of(fmt.Sprintf("mongo-flex-%d", int(max(step, 100))), 1)
	}
}

func sum(lines []line) (total float64) {
	for _, l := range lines {
		total += l.cost
	}
	return total
}

// server is what two servers cost that do the same behind a load balancer, with the
// same databases.
func server(t table) []line {
	return []line{t.of("server-hour", 2*hours), t.of("balancer-hour", hours)}
}

// breakEven is the number of messages a month from which servers are cheaper, with
// as many for each user as now; 0: they are from the first.
func breakEven(t table, u use) int {
	servers := sum(server(t))
	cheaper := func(users int) bool {
		u.users = users
		own, _ := month(t, u)
		return sum(own) > servers
	}
	if cheaper(0) || u.messages == 0 {
		return 0
	}
	low, high := 0, 1
	for !cheaper(high) {
		if low, high = high, high*2; high > 1<<30 {
			return math.MaxInt
		}
	}
	for high-low > 1 {
		if mid := (low + high) / 2; cheaper(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high * u.messages
}
