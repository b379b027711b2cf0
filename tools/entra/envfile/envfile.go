// Package envfile changes variables in a .env file and leaves everything else
// in it as it is: comments, order, line endings, other variables.
//
// Such files hold secrets. What is written is readable by its owner alone, and
// no error quotes a line of the file.
package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// File is a .env file as it was read. It need not exist yet.
type File struct {
	Path   string
	text   string
	values map[string]string
}

// Read reads the file at path.
func Read(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	values, err := godotenv.Unmarshal(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as a .env file: each line must be NAME=value, and a value with spaces or several lines must stand in double quotes", path)
	}
	return &File{Path: path, text: string(text), values: values}, nil
}

// Get returns a variable's value, "" where there is none.
func (f *File) Get(name string) string { return f.values[name] }

// Write gives the variables their values. The file changes whole or not at all.
func (f *File) Write(values map[string]string) error {
	text := f.text
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text = assign(text, name, values[name])
	}
	want := maps.Clone(f.values)
	maps.Copy(want, values)
	// Lines are replaced without knowledge of values that span several. If the
	// outcome does not read as it should, the file is left to its owner.
	if got, err := godotenv.Unmarshal(text); err != nil || !maps.Equal(got, want) {
		return fmt.Errorf("%s is written in a way that this command cannot edit: set %s there by hand, or move the file away", f.Path, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	if err := replace(f.Path, text); err != nil {
		return fmt.Errorf("%s cannot be written: %w", f.Path, err)
	}
	f.text, f.values = text, want
	return nil
}

// plain is a value that needs no quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.~:/-]*$`)

// assign replaces the lines that set the variable, or adds one at the end.
func assign(text, name, value string) string {
	if !plain.MatchString(value) {
		value = "'" + value + "'"
	}
	line := regexp.MustCompile(`(?m)^([ \t]*(?:export[ \t]+)?` + name + `[ \t]*[=:])[^\r\n]*`)
	if line.MatchString(text) {
		return line.ReplaceAllStringFunc(text, func(old string) string {
			return line.FindStringSubmatch(old)[1] + value
		})
	}
	newline := "\n"
	if strings.Contains(text, "\r\n") {
		newline = "\r\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += newline
	}
	return text + name + "=" + value + newline
}

// replace puts a new file in the place of path, or of what path is a link to.
func replace(path, text string) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".env-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
