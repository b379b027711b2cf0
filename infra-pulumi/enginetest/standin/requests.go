package standin

// What the provider asks of the cloud, each under its lock.

func (c *Cloud) write(op Operation, name, id string, k kind, inputs object) (object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// azure-native looks before it creates, so as not to take over what is not its own.
	if op == Create && c.find(id) != nil {
		return nil, azureError("Conflict", "cannot create already existing resource '%s'", id)
	}
	if err := c.put(id, name, k, inputs); err != nil {
		return nil, err
	}
	return c.outputs(c.find(id)), nil
}

func (c *Cloud) read(id string) (object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.find(id)
	if r == nil {
		return nil, false
	}
	return c.outputs(r), true
}

func (c *Cloud) delete(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remove(id)
}
