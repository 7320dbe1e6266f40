// Package config turns the environment of a function into a checked struct. It
// reads nothing by itself: gateway.Run hands it os.Getenv, tests a map.
package config

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Config is what a function was told by its environment. Only the parts that
// were asked for are filled in; the level of the log always is. An empty
// variable counts as one that is not set, because template.yaml passes every
// optional parameter on as "".
type Config struct {
	LogLevel slog.Level // LOG_LEVEL: debug, info (default), warn or error
	Stack    string     // STACK_NAME, default local: tells the metrics of several installations apart; template.yaml sets it
	AWS      AWS        // with Connections and the queues

	Mongo struct {
		URI       string   // MONGODB_URI, required: mongodb:// or mongodb+srv://
		Renewal   *Renewal // MONGODB_URI_ARN, where MONGODB_URI is kept instead: a secret of Secrets Manager, or a parameter of SSM
		Database  string   // MONGODB_DB, default aiwm_chat: the name of the database
		ServerAPI string   // MONGODB_SERVER_API, version of the Stable API to declare, 1; empty: none
	}
	Redis struct {
		Addrs    []string  // REDIS_ADDR, required: host:port, or several separated by commas for a cluster; or else `REDIS_HOST` and `REDIS_PORT` (6379)
		Mode     RedisMode // REDIS_MODE: auto (default) finds out, single (of one address), cluster
		Username string    // REDIS_USERNAME, of an ACL; empty: the default user
		Password string    // REDIS_PASSWORD, empty: none
		Renewal  *Renewal  // REDIS_PASSWORD_ARN, where REDIS_PASSWORD is kept instead
		TLS      bool      // REDIS_TLS, default false; template.yaml sets true
	}
	ConnectionsURL  string // CONNECTIONS_URL, required: where @connections is, without that last part; template.yaml sets it
	WelcomeQueueURL string // WELCOME_QUEUE_URL, required: the queue of connections to greet; template.yaml sets it
	SummaryQueueURL string // SUMMARY_QUEUE_URL, required: the queue of conversations to summarise; template.yaml sets it
	StreamQueueURL  string // STREAM_QUEUE_URL, required: the queue of streams to look after; template.yaml sets it
	WebhookQueueURL string // WEBHOOK_QUEUE_URL, required: the queue of calls of webhooks; template.yaml sets it
	WebhooksLocal   bool   // WEBHOOKS_LOCAL, default false; true allows http and private addresses for webhooks: for a laptop
	RunQueueURL     string // RUN_QUEUE_URL, required: the queue of runs of agents; template.yaml sets it
	Uploads         struct {
		Bucket   string // UPLOADS_BUCKET, of S3, where files go that people attach; empty: none may be uploaded
		Endpoint string // AWS_ENDPOINT_URL_S3, where S3 is; empty, as on Lambda: the region's own
	}
	JWT struct {
		Algorithms []string // JWT_ALGORITHMS, of HS256, RS256, ES256 and EdDSA, separated by commas, each with its key; empty: what the keys allow
		Secret     []byte   // JWT_SECRET, for HS256, 32 bytes or more; one of the three keys is required
		Renewal    *Renewal // JWT_SECRET_ARN, where JWT_SECRET is kept instead
		PublicKey  string   // JWT_PUBLIC_KEY, for RS256, ES256 and EdDSA, PEM; line ends may be written as \n
		JWKSURL    string   // JWT_JWKS_URL, where the issuer publishes its keys, instead of the public key; https, or http on this machine
		Issuer     string   // JWT_ISSUER, empty accepts any
		Audience   string   // JWT_AUDIENCE, empty accepts any

		// Where the tokens of other issuers say who somebody is.
		JWKSKeep      time.Duration // JWT_JWKS_KEEP, default 24h, at most 168h: how long keys count while the issuer errs
		ClaimUser     []string      // JWT_CLAIM_USER, default userId,sub: the claim that is a user's id, or several, of which the first counts that is there; a dot leads into an object
		ClaimAgent    []string      // JWT_CLAIM_AGENT, default agentId: likewise; who has it is an agent
		ClaimOrg      []string      // JWT_CLAIM_ORG, default orgId: likewise; who has none is of the organisation default
		ClaimRoles    []string      // JWT_CLAIM_ROLES, default roles: likewise; a text or a list of them
		ClaimAudience []string      // JWT_CLAIM_AUDIENCE, default aud: likewise; what JWT_AUDIENCE is looked for in
	}
	OpenAI struct {
		APIKey  string        // OPENAI_API_KEY, empty: summarise offline
		Renewal *Renewal      // OPENAI_API_KEY_ARN, where OPENAI_API_KEY is kept instead
		BaseURL string        // OPENAI_BASE_URL, default https://api.openai.com/v1: any service with chat completions
		Model   string        // OPENAI_MODEL, default gpt-6-luna
		Timeout time.Duration // OPENAI_TIMEOUT, default 20s, at most 1m

		MaxTokens   int      // OPENAI_MAX_TOKENS, default 4000: of one answer, with what the model thinks before it
		Temperature *float64 // OPENAI_TEMPERATURE, from 0 to 2; empty: the model's own, and many allow no other
	}
	Limits Limits

	Providers map[string]Provider // PROVIDERS, what agents may name as their provider: JSON by name, such as {"openai": {"url": "https://api.openai.com/v1"}}, with maxTokens (max_completion_tokens or max_tokens) and temperature (false where none may be sent); empty: none
	TURN      struct {
		URLs    []string // TURN_URLS, of STUN and TURN servers, with commas between them; empty: clients talk directly
		Secret  string   // TURN_SECRET, that of the servers
		Renewal *Renewal // TURN_SECRET_ARN, where TURN_SECRET is kept instead
	}
	ProviderKeys struct {
		Keys    map[string]string // PROVIDER_KEYS, their keys, such as openai=KEY, separated by commas; a provider without one is asked without
		Renewal *Renewal          // PROVIDER_KEYS_ARN, where PROVIDER_KEYS is kept instead
	}
	ToolServers struct {
		Servers map[string]ToolServer // TOOL_SERVERS, the MCP servers whose tools agents may use: JSON by name, such as {"shop": {"url": "https://…", "headers": {"Authorization": "…"}}}; empty: none
		Renewal *Renewal              // TOOL_SERVERS_ARN, where TOOL_SERVERS is kept instead
		Local   bool                  // TOOL_SERVERS_LOCAL, default false; true allows http and private addresses, for these servers and for providers: for a laptop
	}

	Origins           Origins // ALLOWED_ORIGINS, default *: web origins whose pages may connect, such as https://chat.example.org, separated by commas; https://* is any with https
	WebSocketDisabled bool    // WEBSOCKET_ENABLED, default true; false refuses connections and frames, and leaves REST as it is
	UploadsDisabled   bool    // UPLOADS_ENABLED, default true; false refuses new uploads, and leaves those that are there as they are
}

// A RedisMode says what kind of Redis there is.
type RedisMode string

// The kinds of Redis. RedisAuto takes one address for a single server until it
// answers as a node of a cluster, and several for a cluster.
const (
	RedisAuto    RedisMode = "auto"
	RedisSingle  RedisMode = "single"
	RedisCluster RedisMode = "cluster"
)

// AWS is what Lambda puts into the environment of every function. These
// credentials are good for as long as the execution environment lives, so
// nothing has to refresh them. AWS's own config.LoadDefaultConfig would find
// the same at 5 ms and 1.7 MB per cold start.
type AWS struct {
	Region          string // AWS_REGION, required
	AccessKeyID     string // AWS_ACCESS_KEY_ID, required
	SecretAccessKey string // AWS_SECRET_ACCESS_KEY, required
	SessionToken    string // AWS_SESSION_TOKEN, empty for lasting credentials
}

// Load reads the parts that a function needs, where no secret is kept elsewhere.
// The error names every variable that is missing or not valid, never a value.
func Load(getenv func(string) string, parts ...Part) (Config, error) {
	return LoadWith(context.Background(), getenv, nil, parts...)
}

// LoadWith is Load where fetch reads the secrets of variables whose ARN is given
// in their place, all at the same time.
func LoadWith(ctx context.Context, getenv func(string) string, fetch Fetch, parts ...Part) (Config, error) {
	var c Config
	r := &reader{getenv: getenv, parts: parts, secrets: map[string]*Renewal{}, unread: map[string]bool{}}
	if s := r.text("LOG_LEVEL"); s != "" && c.LogLevel.UnmarshalText([]byte(s)) != nil {
		r.fault("LOG_LEVEL", "must be debug, info, warn or error")
	}
	r.readSecrets(ctx, &c, fetch, parts)
	c.Stack = r.textOr("STACK_NAME", "local")
	for _, p := range parts {
		groups[p].read(r, &c)
	}
	return c, errors.Join(r.faults...)
}
