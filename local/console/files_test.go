package console

import "testing"

// Code stays as it is, with the comments in its lines.
func TestRemarks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"// one\na();\n\t // two\nb();":             "\na();\n\nb();",
		"/** What it does. */\nexport const a = 1;": "\nexport const a = 1;",
		"a(); // said beside it":                    "a(); // said beside it",
		"const url = \"https://example.org\";":      "const url = \"https://example.org\";",
		"/** it */ a();":                            "/** it */ a();",
		"/*! a licence */\na();":                    "/*! a licence */\na();",
		"/**\n * more\n */\na();":                   "/**\n * more\n */\na();",
	} {
		if got := string(remarks.ReplaceAll([]byte(text), nil)); got != want {
			t.Errorf("of %q is left %q, and not %q", text, got, want)
		}
	}
}
