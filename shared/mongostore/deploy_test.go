package mongostore_test

import (
	"os"
	"strings"
	"testing"

	"aiwm-chat/shared/mongostore"
)

// CloudFormation has the indexes created where a property of theirs has changed:
// the version in template.yaml changes with them.
func TestOtherIndexesAreDeployed(t *testing.T) {
	version, err := mongostore.IndexVersion()
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(template), "      Version: v"+version+"\n") {
		t.Errorf("the indexes are others than template.yaml deploys: set the Version of the resource Indexes to v%s", version)
	}
}
