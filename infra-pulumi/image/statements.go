package image

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What stands beside an image in the registry, by its media type.
const (
	spdxType       = types.MediaType("application/spdx+json")
	provenanceType = types.MediaType("application/vnd.in-toto+json")
)

// statements are what is told about an image: what it is made of, and how it was made. Both come from the binary
// itself, so that the same image has the same statements. They are not signed: they inform, and prove nothing.
func statements(img *Image) ([]v1.Image, error) {
	binary, err := Binary(img.OCI)
	if err != nil {
		return nil, err
	}
	info, _ := buildinfo.Read(bytes.NewReader(binary.Content))
	if info == nil {
		return nil, nil // no Go program, of which nothing is known; Build makes none of those
	}
	var all []v1.Image
	for kind, content := range map[types.MediaType]any{spdxType: bill(img, info), provenanceType: provenance(img, info)} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return nil, err
		}
		statement, err := attach(img.OCI, kind, text)
		if err != nil {
			return nil, err
		}
		all = append(all, statement)
	}
	return all, nil
}

// attach makes a manifest that refers to the image, as the OCI specification's referrers do.
func attach(img v1.Image, kind types.MediaType, content []byte) (v1.Image, error) {
	subject, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	statement := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind)
	statement, err = mutate.AppendLayers(statement, static.NewLayer(content, kind))
	if err != nil {
		return nil, err
	}
	return mutate.Subject(statement, v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}).(v1.Image), nil
}

// bill is the software bill of materials in SPDX 2.3.
func bill(img *Image, info *debug.BuildInfo) any {
	type reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	type part struct {
		ID         string      `json:"SPDXID"`
		Name       string      `json:"name"`
		Version    string      `json:"versionInfo"`
		Location   string      `json:"downloadLocation"`
		Analyzed   bool        `json:"filesAnalyzed"`
		References []reference `json:"externalRefs"`
		Comment    string      `json:"comment,omitempty"`
	}
	type relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
	describe := func(name, version, sum string) part {
		p := part{ID: fmt.Sprintf("SPDXRef-%x", sha256.Sum256([]byte(name)))[:24], Name: name, Version: version, Location: "NOASSERTION",
			References: []reference{{"PACKAGE-MANAGER", "purl", packageURL(name, version)}}}
		if sum != "" {
			p.Comment = "go.sum " + sum
		}
		return p
	}
	server := describe(info.Main.Path, img.Build, "")
	parts := []part{server, describe("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, module := range modules(info) {
		parts = append(parts, describe(module.Path, module.Version, module.Sum))
	}
	relationships := []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", server.ID}}
	for _, p := range parts[1:] {
		relationships = append(relationships, relationship{server.ID, "DEPENDS_ON", p.ID})
	}
	return map[string]any{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": Repository,
		"documentNamespace": "https://" + info.Main.Path + "/spdx/" + img.Digest,
		"creationInfo":      map[string]any{"created": "1970-01-01T00:00:00Z", "creators": []string{"Tool: " + Repository + "-image"}}, // no clock here
		"packages":          parts, "relationships": relationships,
	}
}

// provenance is a SLSA statement of how the image was made.
func provenance(img *Image, info *debug.BuildInfo) any {
	type object = map[string]any
	settings := object{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	_, digest, _ := strings.Cut(img.Digest, ":")
	materials := []object{{"uri": packageURL("stdlib", strings.TrimPrefix(info.GoVersion, "go"))}}
	for _, module := range modules(info) {
		materials = append(materials, object{"uri": packageURL(module.Path, module.Version), "annotations": object{"go.sum": module.Sum}})
	}
	return object{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []object{{"name": Repository, "digest": object{"sha256": digest}}},
		"predicateType": "https://slsa.dev/provenance/v1",
		"predicate": object{
			"buildDefinition": object{
				"buildType":            "https://github.com/prynai/prynai-mcp/blob/main/docs/image.md",
				"externalParameters":   object{"module": info.Main.Path, "source": img.Build},
				"internalParameters":   object{"go": info.GoVersion, "settings": settings},
				"resolvedDependencies": materials,
			},
			"runDetails": object{"builder": object{"id": "https://github.com/prynai/prynai-mcp/tree/main/infra-pulumi/image"}},
		},
	}
}

// modules are those that are in the binary, replacements in place of what they replace.
func modules(info *debug.BuildInfo) []*debug.Module {
	all := make([]*debug.Module, len(info.Deps))
	for i, module := range info.Deps {
		all[i] = module
		if module.Replace != nil {
			all[i] = module.Replace
		}
	}
	slices.SortFunc(all, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func packageURL(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}
