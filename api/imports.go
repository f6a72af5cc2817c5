package api

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/ingest"
)

func errAttr(err error) slog.Attr { return slog.Any("error", err) }

// importView is an import's record as it is read: lists are never null.
type importView struct {
	catalog.ImportRecord
	Errors []catalog.ImportError `json:"errors"`
	versioned
}

func showImport(s catalog.Stored[catalog.ImportRecord]) (importView, error) {
	return importView{ImportRecord: s.Value, Errors: orEmpty(s.Value.Errors), versioned: versionOf(s)}, nil
}

// importing refuses who may not import, before a file is looked at.
func (a *API) importing(r *http.Request) error {
	actor := callOf(r.Context()).actor
	switch {
	case actor.Anonymous():
		return fault.New("api.imports", fault.Unauthorized)
	case !actor.Has(catalog.RoleEditor):
		return fault.New("api.imports", fault.Forbidden)
	case a.cfg.Imports == nil:
		return fault.New("api.imports", fault.NotReady)
	}
	return nil
}

func (a *API) postImport(w http.ResponseWriter, r *http.Request) error {
	if err := a.importing(r); err != nil {
		return err
	}
	c := callOf(r.Context())
	dry, err := boolParam(c.query, "dry_run")
	if err != nil {
		return err
	}
	file, name, err := a.upload(w, r)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // read to its end, or given up
	record, err := a.cfg.Imports.Submit(r.Context(), c.actor, ingest.JobRequest{
		File: file, Name: name, Format: c.query.Get("format"), Map: c.query.Get("map"), Org: catalog.OrgID(c.query.Get("org")), DryRun: dry,
	})
	if err != nil {
		return asUploadError(err)
	}
	var s catalog.Stored[catalog.ImportRecord]
	err = a.view(r, func(v *catalog.View) error {
		s, err = v.Import(c.actor, record.ID)
		return err
	})
	if err != nil {
		return err
	}
	view, err := showImport(s)
	if err != nil {
		return err
	}
	w.Header().Set(asOfHeader, a.asOfToken(s.Version))
	w.Header().Set("Location", "/v2/imports/"+pathEscape(record.ID))
	return sendJSON(w, http.StatusAccepted, view)
}

// asUploadError gives an error of the connection a code: it is the caller's, whatever the disk said.
func asUploadError(err error) error {
	var known *fault.Error
	var tooLarge *http.MaxBytesError
	if errors.As(err, &known) || errors.As(err, &tooLarge) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, mime.ErrInvalidMediaParameter) {
		return fault.Wrap("api.upload", fault.InvalidBody, err)
	}
	return err
}

// maxFields bounds the parts of a form that come before the file: browsers send few.
const maxFields = 20

// upload finds the file: the part "file" of a form, else the body itself. It is not read here but streamed on.
func (a *API) upload(w http.ResponseWriter, r *http.Request) (file io.ReadCloser, name string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, a.limits.Import)
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // any other type is the file's own
	if media != "multipart/form-data" {
		return r.Body, "", nil
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, "", fault.Wrap("api.upload", fault.InvalidBody, err)
	}
	for range maxFields {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", asReadError(err)
		}
		if part.FormName() == "file" {
			return part, part.FileName(), nil
		}
	}
	return nil, "", fault.Invalid("api.upload", fault.BadField("/file", fault.Required, "the form has no part named file"))
}

func (a *API) listImports(w http.ResponseWriter, r *http.Request) error {
	if err := a.importing(r); err != nil {
		return err
	}
	page, err := a.pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.cfg.Catalog.ListImports(r.Context(), callOf(r.Context()).actor, page)
	if err != nil {
		return err
	}
	return sendList(a, w, r, list, showImport)
}

func (a *API) getImport(w http.ResponseWriter, r *http.Request) error {
	if err := a.importing(r); err != nil {
		return err
	}
	var view importView
	err := a.view(r, func(v *catalog.View) error {
		s, err := v.Import(callOf(r.Context()).actor, r.PathValue("id"))
		if err == nil {
			view, err = showImport(s)
		}
		return err
	})
	if err != nil || notModified(w, r, entityTag(view.Version, catalog.AnyLocale)) {
		return err
	}
	return sendJSON(w, http.StatusOK, view)
}

func (a *API) getImportErrors(w http.ResponseWriter, r *http.Request) error {
	if err := a.importing(r); err != nil {
		return err
	}
	file, err := a.cfg.Imports.ErrorsCSV(r.Context(), callOf(r.Context()).actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="errors.csv"`)
	w.WriteHeader(http.StatusOK)
	_, err = io.Copy(w, file)
	return goneAway(err)
}
