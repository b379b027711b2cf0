package stack

import (
	"net"
	"net/url"
	"strconv"

	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newRedis makes the Redis of the configured kind, unless it exists already, and answers its URL, key included, as a secret.
func (d *deployment) newRedis() (pulumi.StringOutput, error) {
	switch d.config.redisKind {
	case existingRedis:
		return secret(pulumi.String(d.config.redisURL).ToStringOutput()), nil
	case classicRedis:
		return d.newClassicRedis()
	default:
		return d.newManagedRedis()
	}
}

func (d *deployment) newManagedRedis() (none pulumi.StringOutput, _ error) {
	cluster, err := azurecache.NewCluster(d.Context, "redis", azurecache.ClusterArgs{
		ResourceGroupName: d.group.Name,
		Name:              d.names.global(),
		SKU:               d.config.managedSKU,
		Tags:              d.names.tags(),
	})
	if err != nil {
		return none, err
	}
	database, err := azurecache.NewDatabase(d.Context, "redis-database", azurecache.DatabaseArgs{
		ResourceGroupName: d.group.Name,
		ClusterName:       cluster.Name,
	})
	if err != nil {
		return none, err
	}
	return redisURL(cluster.HostName, database.Port, database.Key(d.Context, d.group.Name, cluster.Name, d.config.redisKey == secondaryKey)), nil
}

func (d *deployment) newClassicRedis() (none pulumi.StringOutput, _ error) {
	redis, err := azurecache.NewRedis(d.Context, "redis", azurecache.RedisArgs{
		ResourceGroupName: d.group.Name,
		Name:              d.names.global(),
		SKU:               d.config.classicSKU.name,
		Family:            d.config.classicSKU.family,
		Capacity:          d.config.classicSKU.capacity,
		Tags:              d.names.tags(),
	})
	if err != nil {
		return none, err
	}
	return redisURL(redis.HostName, redis.SSLPort, redis.Key(d.Context, d.group.Name, d.config.redisKey == secondaryKey)), nil
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
