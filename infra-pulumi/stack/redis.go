package stack

import (
	"net"
	"net/url"
	"strconv"

	"github.com/prynai/prynai-mcp/infra-pulumi/azurecache"
	resources "github.com/pulumi/pulumi-azure-native-sdk/resources/v2/v20240301"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newRedis makes the Redis of the configured kind and answers its URL, key included, as a secret.
func newRedis(ctx *pulumi.Context, names names, group *resources.ResourceGroup, cfg *config) (pulumi.StringOutput, error) {
	if cfg.redisKind == classicRedis {
		return newClassicRedis(ctx, names, group, cfg.classicSKU)
	}
	return newManagedRedis(ctx, names, group, cfg.managedSKU)
}

func newManagedRedis(ctx *pulumi.Context, names names, group *resources.ResourceGroup, sku string) (none pulumi.StringOutput, _ error) {
	cluster, err := azurecache.NewCluster(ctx, "redis", azurecache.ClusterArgs{
		ResourceGroupName: group.Name,
		Name:              names.global(),
		SKU:               sku,
		Tags:              names.tags(),
	})
	if err != nil {
		return none, err
	}
	database, err := azurecache.NewDatabase(ctx, "redis-database", azurecache.DatabaseArgs{
		ResourceGroupName: group.Name,
		ClusterName:       cluster.Name,
	})
	if err != nil {
		return none, err
	}
	return redisURL(cluster.HostName, database.Port, database.PrimaryKey(ctx, group.Name, cluster.Name)), nil
}

func newClassicRedis(ctx *pulumi.Context, names names, group *resources.ResourceGroup, sku classicSKU) (none pulumi.StringOutput, _ error) {
	redis, err := azurecache.NewRedis(ctx, "redis", azurecache.RedisArgs{
		ResourceGroupName: group.Name,
		Name:              names.global(),
		SKU:               sku.name,
		Family:            sku.family,
		Capacity:          sku.capacity,
		Tags:              names.tags(),
	})
	if err != nil {
		return none, err
	}
	return redisURL(redis.HostName, redis.SSLPort, redis.PrimaryKey(ctx, group.Name)), nil
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
