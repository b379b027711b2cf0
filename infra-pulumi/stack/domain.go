package stack

import (
	"fmt"
	"strings"

	app "github.com/pulumi/pulumi-azure-native-sdk/app/v2/v20250101"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The steps to a domain of one's own. Azure issues a certificate only for a name that the app already has, and the app
// can only then be bound to it, so that no single deployment can do it.
const (
	domainDNS         = "dns"         // tells what the DNS must say; changes nothing
	domainCertificate = "certificate" // the app takes the name, Azure issues the certificate
	domainBound       = "bound"       // the app serves the name with the certificate
)

// newCertificate has Azure issue and renew a certificate. While it is being issued it depends on the app, which must
// have the name; once it is bound, the app depends on it.
func (d *deployment) newCertificate(environment *app.ManagedEnvironment, options ...pulumi.ResourceOption) (*app.ManagedCertificate, error) {
	return app.NewManagedCertificate(d.Context, "certificate", &app.ManagedCertificateArgs{
		ResourceGroupName:      d.group.Name,
		EnvironmentName:        environment.Name,
		ManagedCertificateName: pulumi.String(d.names.local()),
		Properties: app.ManagedCertificatePropertiesArgs{
			SubjectName:             pulumi.String(d.config.domain),
			DomainControlValidation: pulumi.String("CNAME"),
		},
		Tags: d.names.tags(),
	}, options...)
}

// customDomains are the app's own names at this step.
func (d *deployment) customDomains(environment *app.ManagedEnvironment) (app.CustomDomainArrayInput, error) {
	name := pulumi.String(d.config.domain)
	switch d.config.domainStep {
	case domainCertificate:
		return app.CustomDomainArray{app.CustomDomainArgs{Name: name, BindingType: pulumi.String("Disabled")}}, nil
	case domainBound:
		certificate, err := d.newCertificate(environment)
		if err != nil {
			return nil, err
		}
		return app.CustomDomainArray{app.CustomDomainArgs{Name: name, BindingType: pulumi.String("SniEnabled"), CertificateId: certificate.ID()}}, nil
	}
	return nil, nil
}

// finishDomain does what follows the app at this step.
func (d *deployment) finishDomain(environment *app.ManagedEnvironment, app *containerApp) error {
	if d.config.domainStep != domainCertificate {
		return nil
	}
	_, err := d.newCertificate(environment, pulumi.DependsOn([]pulumi.Resource{app}))
	return err
}

// domainNext says what comes after this step.
func (d *deployment) domainNext(app *containerApp) pulumi.StringOutput {
	fqdn := pulumi.Unsecret(app.Configuration.Ingress().Fqdn().Elem()).(pulumi.StringOutput)
	next := pulumi.All(fqdn, app.CustomDomainVerificationId).ApplyT(func(known []any) string {
		name := d.config.domain
		switch d.config.domainStep {
		case domainDNS:
			return strings.Join([]string{
				"set these records, wait until they are seen everywhere, then go on:",
				fmt.Sprintf("  CNAME  %s  %s", name, known[0]),
				fmt.Sprintf("  TXT    asuid.%s  %s", name, known[1]),
				"  pulumi config set domain:step certificate, then deploy",
			}, "\n")
		case domainCertificate:
			return "Azure issues the certificate; when it is there: pulumi config set domain:step bound, then deploy"
		}
		return "nothing: https://" + name + " is served; Azure renews its certificate as long as the CNAME stays"
	}).(pulumi.StringOutput)
	return pulumi.Unsecret(next).(pulumi.StringOutput)
}
