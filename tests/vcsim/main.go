// The vCenter simulator of govmomi as a counterpart of the tests, with a key pair that can be verified. Beyond the
// library's, a VM of it asks "moved or copied?" at its next start once its extraConfig holds test.question, and does not
// start while the file that test.needs names is not there, and one beside whose .vmx lies a file test.slow is registered
// when that is gone. Settings of Cloudy's own in a .vmx are shown as a real one is believed to do it.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type wrapper struct{ self types.ManagedObjectReference }

func (w *wrapper) Reference() types.ManagedObjectReference           { return w.self }
func (w *wrapper) UpdateObject(mo.Reference, []types.PropertyChange) {}
func (w *wrapper) RemoveObject(types.ManagedObjectReference)         {}
func (w *wrapper) PutObject(item mo.Reference) {
	if vm, ok := item.(*simulator.VirtualMachine); ok {
		vm.GuestHeartbeatStatus = types.ManagedEntityStatusGray
		simulator.Map.Put((*machine)(unsafe.Pointer(vm)))
	}
}

// The same memory with more methods: the simulator looks for an object's properties in its first field, by value.
type machine struct{ simulator.VirtualMachine }

var (
	lock    sync.Mutex
	waiting = map[types.ManagedObjectReference]func(string){}
)

func (m *machine) extra(key string) string {
	found := ""
	for _, each := range m.Config.ExtraConfig {
		if option := each.GetOptionValue(); option.Key == key {
			found = fmt.Sprint(option.Value)
		}
	}
	return found
}

func (m *machine) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	if needed := m.extra("test.needs"); needed != "" {
		if _, err := os.Stat(needed); err != nil {
			return task(m, func() types.BaseMethodFault {
				return &types.FileNotFound{FileFault: types.FileFault{File: needed}}
			})
		}
	}
	kind := m.extra("test.question")
	if kind == "" {
		return m.VirtualMachine.PowerOnVMTask(ctx, req)
	}
	return m.ask(ctx, req, kind)
}

// The task stays queued until the question is answered.
func (m *machine) ask(ctx *simulator.Context, req *types.PowerOnVM_Task, kind string) soap.HasFault {
	text := kind + ": what now?"
	if strings.HasPrefix(kind, "msg.uuid.") {
		text = kind + ": this virtual machine might have been moved or copied."
	}
	choices := []types.BaseElementDescription{}
	for key, label := range []string{"button.cancel", "button.uuid.movedTheVM", "button.uuid.copiedTheVM"} {
		choices = append(choices, &types.ElementDescription{
			Description: types.Description{Label: label, Summary: label}, Key: fmt.Sprint(key)})
	}
	simulator.Map.Update(&m.VirtualMachine, []types.PropertyChange{{Name: "runtime.question", Val: types.VirtualMachineQuestionInfo{
		Id: "1", Text: text,
		Choice:  types.ChoiceOption{ChoiceInfo: choices},
		Message: []types.VirtualMachineMessage{{Id: kind, Text: text}},
	}}})
	given := ""
	started := simulator.CreateTask(m, "powerOn", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if given == "0" {
			return nil, &types.InvalidState{}
		}
		m.VirtualMachine.PowerOnVMTask(ctx, req)
		return nil, nil
	})
	lock.Lock()
	waiting[m.Self] = func(answer string) {
		given = answer
		simulator.Map.Update(&m.VirtualMachine, []types.PropertyChange{
			{Name: "runtime.question", Val: nil},
			{Name: "config.alternateGuestName", Val: "answered " + answer},
		})
		m.Config.ExtraConfig = append(m.Config.ExtraConfig, &types.OptionValue{Key: "test.question", Value: ""})
		started.Run()
	}
	lock.Unlock()
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: started.Reference()}}
}

func (m *machine) AnswerVM(req *types.AnswerVM) soap.HasFault {
	lock.Lock()
	answered := waiting[m.Self]
	delete(waiting, m.Self)
	lock.Unlock()
	if answered == nil || req.QuestionId != "1" {
		return &methods.AnswerVMBody{Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "questionId"})}
	}
	answered(req.AnswerChoice)
	return &methods.AnswerVMBody{Res: &types.AnswerVMResponse{}}
}

// A folder whose VMs show what is Cloudy's in their .vmx.
type folder struct{ simulator.Folder }

var ours = regexp.MustCompile(`(?m)^(cloudy\.\w+|uuid\.action) = "([^"]*)"`)

func (f *folder) RegisterVMTask(ctx *simulator.Context, req *types.RegisterVM_Task) soap.HasFault {
	slow := path.Join(path.Dir(local(req.Path)), "test.slow")
	if _, err := os.Stat(slow); err != nil {
		return f.register(ctx, req)
	}
	late := simulator.CreateTask(f, "registerVm", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		inner := f.register(ctx, req).(*methods.RegisterVM_TaskBody).Res.Returnval
		ended := simulator.Map.Get(inner).(*simulator.Task)
		if ended.Info.Error != nil {
			return nil, ended.Info.Error.Fault
		}
		return ended.Info.Result, nil
	})
	go func() {
		for {
			if _, err := os.Stat(slow); err != nil {
				late.Run()
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return &methods.RegisterVM_TaskBody{Res: &types.RegisterVM_TaskResponse{Returnval: late.Reference()}}
}

func (f *folder) register(ctx *simulator.Context, req *types.RegisterVM_Task) soap.HasFault {
	done := f.Folder.RegisterVMTask(ctx, req)
	for _, each := range simulator.Map.All("VirtualMachine") {
		vm, ok := each.(*machine)
		if !ok || vm.Config == nil || vm.Config.Files.VmPathName != req.Path {
			continue
		}
		text, _ := os.ReadFile(local(req.Path))
		for _, found := range ours.FindAllStringSubmatch(string(text), -1) {
			vm.Config.ExtraConfig = append(vm.Config.ExtraConfig, &types.OptionValue{Key: found[1], Value: found[2]})
		}
	}
	return done
}

func local(name string) string {
	var at object.DatastorePath
	at.FromString(name)
	for _, each := range simulator.Map.All("Datastore") {
		if store := each.(*simulator.Datastore); store.Name == at.Datastore {
			return path.Join(store.Info.GetDatastoreInfo().Url, at.Path)
		}
	}
	return ""
}

func task(m *machine, fails func() types.BaseMethodFault) soap.HasFault {
	made := simulator.CreateTask(m, "powerOn", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, fails()
	})
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: made.Run()}}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "host and port")
	cert := flag.String("cert", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	user := flag.String("user", "", "who may log in, with the password in VCSIM_PASSWORD")
	flag.Parse()

	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	model := simulator.VPX()
	model.Datacenter, model.Cluster, model.ClusterHost, model.Host, model.Machine, model.Datastore = 1, 1, 1, 1, 0, 1
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	simulator.Map.AddHandler(&wrapper{types.ManagedObjectReference{Type: "Wrapper", Value: "wrapper"}})
	center := simulator.Map.Any("Datacenter").(*simulator.Datacenter)
	simulator.Map.Put((*folder)(unsafe.Pointer(simulator.Map.Get(center.VmFolder).(*simulator.Folder))))
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, os.Getenv("VCSIM_PASSWORD"))}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server := model.Service.NewServer()
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The library gives files to anybody.
		if _, err := r.Cookie("vmware_soap_session"); err != nil && strings.HasPrefix(r.URL.Path, "/folder/") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
	fmt.Println("ready", server.URL.Host)

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	server.Close()
	model.Remove()
}
