package stack

import (
	"net"
	"net/url"
	"strconv"

	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// redis is where the sessions are.
type redis struct {
	url      pulumi.StringOutput   // secret: the key is in it
	resource pulumi.CustomResource // nil: not made here
	logged   pulumi.CustomResource // what of it logs
	metrics  string                // the namespace of its metrics

	// What a private endpoint connects to, and the DNS zone in which it is found.
	linkGroup, linkZone string
}

// newRedis makes the Redis of the configured kind, unless it exists already.
func (d *deployment) newRedis() (*redis, error) {
	switch d.config.redisKind {
	case existingRedis:
		return &redis{url: secret(pulumi.String(d.config.redisURL).ToStringOutput())}, nil
	case classicRedis:
		return d.newClassicRedis()
	default:
		return d.newManagedRedis()
	}
}

func (d *deployment) newManagedRedis() (*redis, error) {
	cluster, err := azurecache.NewCluster(d.Context, "redis", azurecache.ClusterArgs{
		ResourceGroupName: d.group.Name,
		Name:              d.names.global(),
		SKU:               d.config.managedSKU,
		Replicated:        d.config.replicated,
		Tags:              d.names.tags(),
	}, d.protect())
	if err != nil {
		return nil, err
	}
	database, err := azurecache.NewDatabase(d.Context, "redis-database", azurecache.DatabaseArgs{
		ResourceGroupName: d.group.Name,
		ClusterName:       cluster.Name,
	}, d.protect())
	if err != nil {
		return nil, err
	}
	key := database.Key(d.Context, d.group.Name, cluster.Name, d.config.redisKey == secondaryKey)
	return &redis{
		url: redisURL(cluster.HostName, database.Port, key), resource: cluster, logged: database,
		metrics: "Microsoft.Cache/redisEnterprise", linkGroup: "redisEnterprise", linkZone: "privatelink.redis.azure.net",
	}, nil
}

func (d *deployment) newClassicRedis() (*redis, error) {
	cache, err := azurecache.NewRedis(d.Context, "redis", azurecache.RedisArgs{
		ResourceGroupName: d.group.Name,
		Name:              d.names.global(),
		SKU:               d.config.classicSKU.name,
		Family:            d.config.classicSKU.family,
		Capacity:          d.config.classicSKU.capacity,
		Private:           d.config.private,
		Tags:              d.names.tags(),
	}, d.protect())
	if err != nil {
		return nil, err
	}
	key := cache.Key(d.Context, d.group.Name, d.config.redisKey == secondaryKey)
	return &redis{
		url: redisURL(cache.HostName, cache.SSLPort, key), resource: cache, logged: cache,
		metrics: "Microsoft.Cache/Redis", linkGroup: "redisCache", linkZone: "privatelink.redis.cache.windows.net",
	}, nil
}

// redisURL is a secret because the key is.
func redisURL(host pulumi.StringOutput, port pulumi.IntOutput, key pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.All(host, port, key).ApplyT(func(parts []any) string {
		host, port, key := parts[0].(string), parts[1].(int), parts[2].(string)
		return (&url.URL{
			Scheme: "rediss", // TLS
			User:   url.UserPassword("default", key),
			Host:   net.JoinHostPort(host, strconv.Itoa(port)),
		}).String()
	}).(pulumi.StringOutput)
}
