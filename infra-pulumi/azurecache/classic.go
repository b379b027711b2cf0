package azurecache

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

const classicModule = "azure-native:cache/v20241101"

// Redis is a (classic) Azure Cache for Redis.
type Redis struct {
	pulumi.CustomResourceState
	Name     pulumi.StringOutput `pulumi:"name"`
	HostName pulumi.StringOutput `pulumi:"hostName"`
	SSLPort  pulumi.IntOutput    `pulumi:"sslPort"`
}

// RedisArgs describe a Redis.
type RedisArgs struct {
	ResourceGroupName pulumi.StringInput
	Name              string
	SKU               string // Basic, Standard or Premium
	Family            string // C, or P for Premium
	Capacity          int
	Private           bool // reached through private endpoints only
	Tags              pulumi.StringMap
}

// NewRedis registers a cache that is reachable with TLS 1.2 or newer only, and that refuses writes when it is full
// rather than dropping what it has acknowledged.
func NewRedis(ctx *pulumi.Context, name string, args RedisArgs, options ...pulumi.ResourceOption) (*Redis, error) {
	redis := new(Redis)
	inputs := pulumi.Map{
		"resourceGroupName": args.ResourceGroupName,
		"name":              pulumi.String(args.Name),
		"sku": pulumi.Map{
			"name":     pulumi.String(args.SKU),
			"family":   pulumi.String(args.Family),
			"capacity": pulumi.Int(args.Capacity),
		},
		"enableNonSslPort":   pulumi.Bool(false),
		"minimumTlsVersion":  pulumi.String("1.2"),
		"redisConfiguration": pulumi.Map{"maxmemoryPolicy": pulumi.String("noeviction")},
		"tags":               args.Tags,
	}
	if args.Private {
		inputs["publicNetworkAccess"] = pulumi.String("Disabled")
	}
	return redis, register(ctx, classicModule+":Redis", name, inputs, redis, options)
}

// Key reads one of the cache's two access keys, as a secret.
func (r *Redis) Key(ctx *pulumi.Context, group pulumi.StringInput, secondary bool) pulumi.StringOutput {
	type arguments struct {
		ResourceGroupName string `pulumi:"resourceGroupName"`
		Name              string `pulumi:"name"`
	}
	return key(ctx, classicModule+":listRedisKeys", secondary, pulumi.All(group, r.Name, r.ID()), func(names []any) arguments {
		return arguments{names[0].(string), names[1].(string)}
	})
}
