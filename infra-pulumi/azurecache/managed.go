package azurecache

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

const managedModule = "azure-native:cache/v20250401"

// Cluster is an Azure Managed Redis: a cluster that holds one Database.
type Cluster struct {
	pulumi.CustomResourceState
	Name     pulumi.StringOutput `pulumi:"name"`
	HostName pulumi.StringOutput `pulumi:"hostName"`
}

// ClusterArgs describe a Cluster.
type ClusterArgs struct {
	ResourceGroupName pulumi.StringInput
	Name              string
	SKU               string // Balanced_B0, MemoryOptimized_M10, …
	Replicated        bool   // two nodes instead of one
	Tags              pulumi.StringMap
}

// NewCluster registers a cluster that is reachable with TLS 1.2 or newer only.
func NewCluster(ctx *pulumi.Context, name string, args ClusterArgs, options ...pulumi.ResourceOption) (*Cluster, error) {
	availability := "Enabled"
	if !args.Replicated {
		availability = "Disabled"
	}
	cluster := new(Cluster)
	return cluster, register(ctx, managedModule+":RedisEnterprise", name, pulumi.Map{
		"resourceGroupName": args.ResourceGroupName,
		"clusterName":       pulumi.String(args.Name),
		"sku":               pulumi.Map{"name": pulumi.String(args.SKU)},
		"minimumTlsVersion": pulumi.String("1.2"),
		"highAvailability":  pulumi.String(availability),
		"tags":              args.Tags,
	}, cluster, options)
}

// Database is the one database of a Cluster.
type Database struct {
	pulumi.CustomResourceState
	Name pulumi.StringOutput `pulumi:"name"`
	Port pulumi.IntOutput    `pulumi:"port"`
}

// DatabaseArgs describe a Database.
type DatabaseArgs struct {
	ResourceGroupName pulumi.StringInput
	ClusterName       pulumi.StringInput
}

// NewDatabase registers a cluster's database: behind one endpoint, with TLS, opened by access keys, and refusing
// writes when it is full rather than dropping what it has acknowledged.
func NewDatabase(ctx *pulumi.Context, name string, args DatabaseArgs, options ...pulumi.ResourceOption) (*Database, error) {
	database := new(Database)
	return database, register(ctx, managedModule+":Database", name, pulumi.Map{
		"resourceGroupName":        args.ResourceGroupName,
		"clusterName":              args.ClusterName,
		"databaseName":             pulumi.String("default"), // the only name that Azure accepts
		"clientProtocol":           pulumi.String("Encrypted"),
		"port":                     pulumi.Int(10000),
		"clusteringPolicy":         pulumi.String("EnterpriseCluster"),
		"evictionPolicy":           pulumi.String("NoEviction"),
		"accessKeysAuthentication": pulumi.String("Enabled"),
	}, database, options)
}

// Key reads one of the database's two access keys, as a secret.
func (d *Database) Key(ctx *pulumi.Context, group, cluster pulumi.StringInput, secondary bool) pulumi.StringOutput {
	type arguments struct {
		ResourceGroupName string `pulumi:"resourceGroupName"`
		ClusterName       string `pulumi:"clusterName"`
		DatabaseName      string `pulumi:"databaseName"`
	}
	return key(ctx, managedModule+":listDatabaseKeys", secondary, pulumi.All(group, cluster, d.Name), func(names []any) arguments {
		return arguments{names[0].(string), names[1].(string), names[2].(string)}
	})
}
