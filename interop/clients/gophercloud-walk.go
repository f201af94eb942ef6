// Debian's gophercloud, the library of Terraform's provider, finds Keystone by an address without a version, and does
// everything that it can do with a key manager.
package main

import (
	"fmt"
	"os"
	"path"
	"reflect"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/keymanager/v1/acls"
	"github.com/gophercloud/gophercloud/openstack/keymanager/v1/containers"
	"github.com/gophercloud/gophercloud/openstack/keymanager/v1/orders"
	"github.com/gophercloud/gophercloud/openstack/keymanager/v1/secrets"
	"github.com/gophercloud/gophercloud/pagination"
)

func main() {
	provider, err := openstack.AuthenticatedClient(gophercloud.AuthOptions{
		IdentityEndpoint: os.Getenv("OS_AUTH_URL"),
		Username:         os.Getenv("OS_USERNAME"),
		Password:         os.Getenv("OS_PASSWORD"),
		DomainName:       "Default",
		TenantName:       os.Getenv("OS_PROJECT_NAME"),
		AllowReauth:      true,
	})
	must("log in", err)
	client, err := openstack.NewKeyManagerV1(provider, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")})
	must("find the key manager", err)

	refs := storeSecrets(client)
	listSecrets(client, 3)
	userMetadata(client, idOf(refs[0]))
	orderKey(client)
	containerOf(client, refs)
	accessLists(client, idOf(refs[0]))
	for _, ref := range refs {
		must("delete a secret", secrets.Delete(client, idOf(ref)).ExtractErr())
	}
	_, err = secrets.Get(client, idOf(refs[0])).Extract()
	if _, ok := err.(gophercloud.ErrDefault404); !ok {
		fail("a deleted secret", err)
	}
	fmt.Println("gophercloud: all done")
}

func storeSecrets(client *gophercloud.ServiceClient) []string {
	expiration := time.Date(2049, 6, 7, 8, 9, 10, 0, time.UTC)
	text, err := secrets.Create(client, secrets.CreateOpts{
		Name: "text", Payload: "päyload", PayloadContentType: "text/plain",
		SecretType: secrets.PassphraseSecret, Expiration: &expiration,
	}).Extract()
	must("store a text", err)
	found, err := secrets.Get(client, idOf(text.SecretRef)).Extract()
	must("get a secret", err)
	same("an expiration", found.Expiration, expiration)
	same("a status", found.Status, "ACTIVE")
	payload, err := secrets.GetPayload(client, idOf(text.SecretRef), nil).Extract()
	must("get a text", err)
	same("a text", string(payload), "päyload")

	key, err := secrets.Create(client, secrets.CreateOpts{
		Name: "key", Payload: "AAECAwQFBgcICQoLDA0ODw==", PayloadContentType: "application/octet-stream",
		PayloadContentEncoding: "base64", SecretType: secrets.SymmetricSecret,
		Algorithm: "aes", BitLength: 128, Mode: "cbc",
	}).Extract()
	must("store a key", err)
	octets := secrets.GetPayloadOpts{PayloadContentType: "application/octet-stream"}
	payload, err = secrets.GetPayload(client, idOf(key.SecretRef), octets).Extract()
	must("get a key", err)
	same("a key", payload, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

	later, err := secrets.Create(client, secrets.CreateOpts{Name: "later"}).Extract()
	must("make a secret without payload", err)
	update := secrets.UpdateOpts{ContentType: "text/plain", Payload: "came later"}
	must("give it one", secrets.Update(client, idOf(later.SecretRef), update).ExtractErr())
	return []string{text.SecretRef, key.SecretRef, later.SecretRef}
}

func listSecrets(client *gophercloud.ServiceClient, total int) {
	pages, seen := 0, map[string]bool{}
	err := secrets.List(client, secrets.ListOpts{Limit: 2}).EachPage(func(page pagination.Page) (bool, error) {
		listed, err := secrets.ExtractSecrets(page)
		pages++
		for _, secret := range listed {
			seen[secret.SecretRef] = true
		}
		return true, err
	})
	must("list secrets", err)
	same("pages and secrets", []int{pages, len(seen)}, []int{(total + 1) / 2, total})
	named, err := secrets.List(client, secrets.ListOpts{Name: "key", Bits: 128, SecretType: secrets.SymmetricSecret}).AllPages()
	must("list by name", err)
	listed, err := secrets.ExtractSecrets(named)
	must("read a list", err)
	same("secrets of a name", len(listed), 1)
	young := secrets.ListOpts{CreatedQuery: &secrets.DateQuery{Date: time.Now().UTC().Add(-time.Hour), Filter: secrets.DateFilterGT}}
	recent, err := secrets.List(client, young).AllPages()
	must("list by age", err)
	listed, err = secrets.ExtractSecrets(recent)
	must("read a list", err)
	same("young secrets", len(listed), total)
}

func userMetadata(client *gophercloud.ServiceClient, id string) {
	_, err := secrets.CreateMetadata(client, id, secrets.MetadataOpts{"colour": "red"}).Extract()
	must("set metadata", err)
	must("add a datum", secrets.CreateMetadatum(client, id, secrets.MetadatumOpts{Key: "size", Value: "1"}).ExtractErr())
	_, err = secrets.UpdateMetadatum(client, id, secrets.MetadatumOpts{Key: "size", Value: "2"}).Extract()
	must("change a datum", err)
	datum, err := secrets.GetMetadatum(client, id, "size").Extract()
	must("get a datum", err)
	same("a datum", datum.Value, "2")
	must("delete a datum", secrets.DeleteMetadatum(client, id, "colour").ExtractErr())
	left, err := secrets.GetMetadata(client, id).Extract()
	must("get metadata", err)
	same("metadata", left, map[string]string{"size": "2"})
}

func orderKey(client *gophercloud.ServiceClient) {
	made, err := orders.Create(client, orders.CreateOpts{
		Type: orders.KeyOrder,
		Meta: orders.MetaOpts{Name: "ordered", Algorithm: "aes", BitLength: 256, Mode: "cbc"},
	}).Extract()
	must("order a key", err)
	order, err := orders.Get(client, idOf(made.OrderRef)).Extract()
	must("get an order", err)
	same("an order's status", order.Status, "ACTIVE")
	all, err := orders.List(client, orders.ListOpts{Limit: 1}).AllPages()
	must("list orders", err)
	listed, err := orders.ExtractOrders(all)
	must("read orders", err)
	same("orders", len(listed), 1)
	octets := secrets.GetPayloadOpts{PayloadContentType: "application/octet-stream"}
	key, err := secrets.GetPayload(client, idOf(order.SecretRef), octets).Extract()
	must("get an ordered key", err)
	same("its length", len(key), 32)
	must("delete an order", orders.Delete(client, idOf(made.OrderRef)).ExtractErr())
	must("delete its key", secrets.Delete(client, idOf(order.SecretRef)).ExtractErr())
}

func containerOf(client *gophercloud.ServiceClient, refs []string) {
	made, err := containers.Create(client, containers.CreateOpts{
		Type: containers.GenericContainer, Name: "box",
		SecretRefs: []containers.SecretRef{{Name: "one", SecretRef: refs[0]}},
	}).Extract()
	must("make a container", err)
	id := idOf(made.ContainerRef)
	second := containers.SecretRef{Name: "two", SecretRef: refs[1]}
	_, err = containers.CreateSecretRef(client, id, second).Extract()
	must("put a secret in", err)
	consumer := containers.CreateConsumerOpts{Name: "balancer", URL: "http://balancer.test/1"}
	_, err = containers.CreateConsumer(client, id, consumer).Extract()
	must("register a consumer", err)
	found, err := containers.Get(client, id).Extract()
	must("get a container", err)
	same("members and consumers", []int{len(found.SecretRefs), len(found.Consumers)}, []int{2, 1})
	pages, err := containers.ListConsumers(client, id, nil).AllPages()
	must("list consumers", err)
	consumers, err := containers.ExtractConsumers(pages)
	must("read consumers", err)
	same("a consumer", consumers[0].URL, consumer.URL)
	_, err = containers.DeleteConsumer(client, id, containers.DeleteConsumerOpts(consumer)).Extract()
	must("remove a consumer", err)
	must("take a secret out", containers.DeleteSecretRef(client, id, second).ExtractErr())
	all, err := containers.List(client, containers.ListOpts{Name: "box"}).AllPages()
	must("list containers", err)
	listed, err := containers.ExtractContainers(all)
	must("read containers", err)
	same("containers", []int{len(listed), len(listed[0].SecretRefs)}, []int{1, 1})
	containerAccessList(client, id)
	must("delete a container", containers.Delete(client, id).ExtractErr())
}

func accessLists(client *gophercloud.ServiceClient, id string) {
	users, no, yes := []string{os.Getenv("OTHER_USER_ID")}, false, true
	set := acls.SetOpts{{Type: "read", Users: &users, ProjectAccess: &no}}
	_, err := acls.SetSecretACL(client, id, set).Extract()
	must("set a secret's ACL", err)
	acl, err := acls.GetSecretACL(client, id).Extract()
	must("get a secret's ACL", err)
	same("users and project", []interface{}{(*acl)["read"].Users, (*acl)["read"].ProjectAccess}, []interface{}{users, false})
	_, err = acls.UpdateSecretACL(client, id, acls.SetOpts{{Type: "read", ProjectAccess: &yes}}).Extract()
	must("update a secret's ACL", err)
	acl, err = acls.GetSecretACL(client, id).Extract()
	must("get a secret's ACL", err)
	same("users and project", []interface{}{(*acl)["read"].Users, (*acl)["read"].ProjectAccess}, []interface{}{users, true})
	must("delete a secret's ACL", acls.DeleteSecretACL(client, id).ExtractErr())
}

func containerAccessList(client *gophercloud.ServiceClient, id string) {
	users := []string{os.Getenv("OTHER_USER_ID")}
	_, err := acls.SetContainerACL(client, id, acls.SetOpts{{Type: "read", Users: &users}}).Extract()
	must("set a container's ACL", err)
	acl, err := acls.GetContainerACL(client, id).Extract()
	must("get a container's ACL", err)
	same("users of a container", (*acl)["read"].Users, users)
	must("delete a container's ACL", acls.DeleteContainerACL(client, id).ExtractErr())
}

func idOf(ref string) string { return path.Base(ref) }

func must(what string, err error) {
	if err != nil {
		fail(what, err)
	}
}

func same(what string, found, expected interface{}) {
	if !reflect.DeepEqual(found, expected) {
		fail(what, fmt.Errorf("%v instead of %v", found, expected))
	}
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "gophercloud: %s: %v\n", what, err)
	os.Exit(1)
}
