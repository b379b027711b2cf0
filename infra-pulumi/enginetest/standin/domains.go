package standin

// domains are an app's own names; none of what is no app.
func domains(k kind, inputs object) (all []object) {
	if k.arm != appType {
		return nil
	}
	list, _ := lookup(inputs, []string{"configuration", "ingress", "customDomains"}).([]any)
	for _, d := range list {
		if d, ok := d.(object); ok {
			all = append(all, d)
		}
	}
	return all
}

// checkDomain refuses a certificate for a name that no app has, as Azure does: it proves the name by asking for it.
func (c *Cloud) checkDomain(k kind, inputs object) error {
	if k.arm != certificateType {
		return nil
	}
	name := lookup(inputs, []string{"properties", "subjectName"})
	for _, r := range c.resources {
		for _, d := range domains(r.kind, r.inputs) {
			if d["name"] == name {
				return nil
			}
		}
	}
	return azureError("InvalidValidationMethod", "No app in the environment has the hostname '%v'.", name)
}
