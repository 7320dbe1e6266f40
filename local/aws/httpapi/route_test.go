package httpapi

import (
	"maps"
	"strings"
	"testing"
)

// Most of these routes are the example of http-api-develop-routes.
func TestRoutePriority(t *testing.T) {
	routes, err := compile([]Route{
		{Path: "$default"},
		{Method: "ANY", Path: "/{proxy+}"},
		{Method: "GET", Path: "/pets/{proxy+}"},
		{Method: "ANY", Path: "/pets/dog/{id}"},
		{Method: "GET", Path: "/pets/dog/{id}"},
		{Method: "GET", Path: "/pets/dog/1"},
		{Method: "PATCH", Path: "/pets/{proxy+}"},
		{Method: "PATCH", Path: "/{a}/{b}"},
		{Method: "PATCH", Path: "/{a}/{rest+}"},
		{Method: "PATCH", Path: "/{a}/{b}/{rest+}"},
		{Method: "POST", Path: "/pets/{kind}/1"},
		{Method: "GET", Path: "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path, key string
		variables         map[string]string
	}{
		{"GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"GET", "/pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"PUT", "/pets/dog/1", "ANY /pets/dog/{id}", map[string]string{"id": "1"}},
		{"POST", "/pets/dog/1", "ANY /pets/dog/{id}", map[string]string{"id": "1"}},
		{"POST", "/pets/cat/1", "POST /pets/{kind}/1", map[string]string{"kind": "cat"}},
		{"GET", "/pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"GET", "/pets/", "GET /pets/{proxy+}", map[string]string{"proxy": ""}},
		{"GET", "/pets", "ANY /{proxy+}", map[string]string{"proxy": "pets"}},
		{"POST", "/test/5", "ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
		{"GET", "/", "GET /", nil},
		{"HEAD", "/", "ANY /{proxy+}", map[string]string{"proxy": ""}},
		{"PATCH", "/pets/1", "PATCH /{a}/{b}", map[string]string{"a": "pets", "b": "1"}}, // a full match before a greedy one
		{"PATCH", "/x/y/z", "PATCH /{a}/{b}/{rest+}", map[string]string{"a": "x", "b": "y", "rest": "z"}},
		{"GET", "//", "ANY /{proxy+}", map[string]string{"proxy": "/"}},
	} {
		r, variables := match(routes, test.method, test.path, Unproven{})
		if r == nil || r.key != test.key || !maps.Equal(variables, test.variables) {
			t.Errorf("%s %s goes to %+v with %v", test.method, test.path, r, variables)
		}
	}
}

func TestRouteSwitches(t *testing.T) {
	routes, err := compile([]Route{{Method: "GET", Path: "/health"}, {Method: "GET", Path: "/files/{name+}"}, {Method: "GET", Path: "/m/{id}"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		u    Unproven
		want bool
	}{
		{"/health", Unproven{}, true},
		{"/health/", Unproven{}, false},
		{"/health/", Unproven{IgnoreTrailingSlash: true}, true},
		{"/files/", Unproven{}, true},
		{"/files/", Unproven{GreedyNeedsSegment: true}, false},
		{"/files//", Unproven{GreedyNeedsSegment: true}, true},
		{"/files/a", Unproven{GreedyNeedsSegment: true}, true},
		{"/files", Unproven{}, false},
		{"/m/", Unproven{}, false},
		{"/m/1/2", Unproven{}, false},
	} {
		if r, _ := match(routes, "GET", test.path, test.u); (r != nil) != test.want {
			t.Errorf("%s with %+v: %+v", test.path, test.u, r)
		}
	}
}

func TestRouteFaults(t *testing.T) {
	for _, test := range []struct {
		routes []Route
		want   string
	}{
		{[]Route{{Method: "get", Path: "/"}}, "no such method"},
		{[]Route{{Method: "GET", Path: "a"}}, "does not begin with /"},
		{[]Route{{Method: "GET", Path: "/a/"}}, "empty segment"},
		{[]Route{{Method: "GET", Path: "/a{b}"}}, "not the whole segment"},
		{[]Route{{Method: "GET", Path: "/{}"}}, "not the whole segment"},
		{[]Route{{Method: "GET", Path: "/{+}"}}, "names no variable"},
		{[]Route{{Method: "GET", Path: "/{a+}/b"}}, "not at the end"},
		{[]Route{{Method: "GET", Path: "/{a}/{a}"}}, "there twice"},
		{[]Route{{Method: "GET", Path: "/{a}"}, {Method: "GET", Path: "/{b}"}}, "match the same requests"},
		{[]Route{{Path: "$default"}, {Path: "$default"}}, "match the same requests"},
	} {
		if _, err := New(Options{Routes: test.routes}, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v", test.routes, err)
		}
	}
}

// Whatever the path, a match is a route of that method whose key with its
// variables filled in is the path again.
func FuzzMatch(f *testing.F) {
	routes, err := compile([]Route{
		{Method: "GET", Path: "/conversations/{id}/participants/{type}/{participant}"}, {Method: "GET", Path: "/conversations/{id}"},
		{Method: "GET", Path: "/files/{rest+}"}, {Method: "ANY", Path: "/files/x"}, {Method: "GET", Path: "/"},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"/", "", "//", "/conversations/1", "/conversations/1/participants/user/2", "/files/", "/files/a/b", "/files/x", "/{id}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, variables := match(routes, "GET", path, Unproven{})
		if r == nil {
			return
		}
		var filled strings.Builder
		for i, s := range r.segments {
			text := s.text
			if s.variable {
				text = variables[s.text]
				if text == "" && !(r.greedy && i == len(r.segments)-1) {
					t.Fatalf("%q: %s is empty in %s", path, s.text, r.key)
				}
			}
			filled.WriteString("/" + text)
		}
		if got := filled.String(); got != path && got != "/"+path {
			t.Fatalf("%q matches %s with %v", path, r.key, variables)
		}
	})
}
